package pool_test

import (
	"context"
	"fmt"
	"log"

	"example.com/handoff/pool"
)

var squareRoot = pool.Func("example.squareRoot", func(_ *pool.Task, x float64) (float64, error) {
	if x < 0 {
		return 0, fmt.Errorf("%v has no real root", x)
	}
	root := x
	for range 100 {
		root = (root + x/root) / 2
	}
	return root, nil
})

// How is one function run in another process? main calls pool.Main first; here TestMain does.
func ExampleFn_Call() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	fmt.Println(squareRoot.Call(ctx, p, 9))
	_, err = squareRoot.Call(ctx, p, -1)
	fmt.Println(err)
	// Output:
	// 3 <nil>
	// example.squareRoot: -1 has no real root
}
