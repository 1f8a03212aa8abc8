package pool_test

import (
	"context"
	"fmt"

	"example.com/handoff/pool"
)

var sumOfSquares = pool.Func("example.sumOfSquares", func(_ *pool.Task, in [2]float64) (float64, error) {
	return in[0]*in[0] + in[1]*in[1], nil
})

// How is a registered function tested without workers?
func ExampleFn_Inline() {
	got, err := sumOfSquares.Inline(context.Background(), nil, [2]float64{3, 4})
	fmt.Println(got, err)
	// Output: 25 <nil>
}
