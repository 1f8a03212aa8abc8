package pool_test

import (
	"context"
	"fmt"
	"log"

	"example.com/handoff/pool"
)

var fibonacci = pool.Func("example.fibonacci", func(_ *pool.Task, n int) (int, error) {
	a, b := 0, 1
	for range n {
		a, b = b, a+b
	}
	return a, nil
})

// How do several tasks run at once, with something else to do meanwhile?
func ExampleFn_Submit() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	var futures []pool.Future[int]
	for _, n := range []int{10, 20, 30} {
		f, err := fibonacci.Submit(ctx, p, n) // returns at once
		if err != nil {
			log.Fatal(err)
		}
		futures = append(futures, f)
	}
	for _, f := range futures {
		fmt.Println(f.Wait(ctx))
	}
	// Output:
	// 55 <nil>
	// 6765 <nil>
	// 832040 <nil>
}
