package classify_test

import (
	"context"
	"fmt"
	"time"

	"example.com/handoff/pool"
	"example.com/handoff/pool/classify"
)

var poll = pool.Func("example.poll", func(_ *pool.Task, pause time.Duration) (bool, error) {
	time.Sleep(pause)
	return true, nil
})

// Does a registered function need worker processes?
func ExampleFn() {
	v, err := classify.Fn(context.Background(), poll, 30*time.Millisecond, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v.Workload, v.Route)
	// Output: io goroutine
}
