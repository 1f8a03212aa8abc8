package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"

	"example.com/handoff/pool"
)

// How is a function called for each of many inputs, some of which fail?
func ExampleFn_Map() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	for item, err := range squareRoot.Map(ctx, p, slices.Values([]float64{4, -1, 9})) { // in order
		var own *pool.TaskError
		switch {
		case errors.As(err, &own): // of this input alone
			fmt.Println(item.Index, own.Text)
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(item.Index, item.Value)
		}
	}
	// Output:
	// 0 2
	// 1 -1 has no real root
	// 2 3
}

// How are results taken as they come, whatever their order?
func ExampleFn_MapUnordered() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	for item, err := range squareRoot.MapUnordered(ctx, p, slices.Values([]float64{4, 9, 16})) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(item.Index, item.Value)
	}
	// Unordered output:
	// 0 2
	// 1 3
	// 2 4
}
