package pool_test

import (
	"context"
	"fmt"
	"log"

	"example.com/handoff/pool"
)

// cities stands for what each worker needs of its own: a connection, a handle, a cache.
var cities map[string]int

var _ = pool.Init("example.cities", func() error {
	cities = map[string]int{"Oslo": 709_000, "Bergen": 291_000}
	return nil
})

var _ = pool.Teardown("example.cities", func() error {
	cities = nil // where it is a connection: close it
	return nil
})

var inhabitants = pool.Func("example.inhabitants", func(_ *pool.Task, city string) (int, error) {
	return cities[city], nil
})

// What does a worker do before its first task, and after its last?
func ExampleInit() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	fmt.Println(inhabitants.Call(ctx, p, "Bergen"))
	// Output: 291000 <nil>
}
