package pool_test

import (
	"context"
	"fmt"
	"log"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

var lengthOf = pool.Func("example.lengthOf", func(_ *pool.Task, x shm.View[float64]) (int, error) {
	return x.Len(), nil
})

// How many bytes were handed over by reference, and how many were copied?
func ExamplePool_Stats() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	x, err := shm.Make[float64](p.Arena(), 1<<20) // filled in place, where the worker reads it
	if err != nil {
		log.Fatal(err)
	}
	defer x.Release()
	for range 10 {
		if _, err := lengthOf.Call(ctx, p, x.View()); err != nil {
			log.Fatal(err)
		}
	}
	m := p.Stats().Memory
	fmt.Println(m.BytesByRef>>20, "MiB by reference,", m.BytesCopied, "bytes copied")
	// Output: 80 MiB by reference, 0 bytes copied
}
