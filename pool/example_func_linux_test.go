package pool_test

import (
	"context"
	"fmt"
	"log"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

type scaleIn struct {
	X  shm.View[float64] // borrowed, read-only
	By float64
}

type scaleOut struct {
	Label  string
	Scaled shm.OwnedView[float64] // the caller's to release
}

// Registered once, in a package-level variable: supervisor and workers are the same program.
var scale = pool.Func("example.scale", func(t *pool.Task, in scaleIn) (scaleOut, error) {
	y, err := shm.Make[float64](t.Arena(), in.X.Len())
	if err != nil {
		return scaleOut{}, err
	}
	out := y.Data()
	for i, x := range in.X.Data() {
		out[i] = in.By * x
	}
	return scaleOut{fmt.Sprintf("times %v", in.By), y.Own()}, nil
})

// How does a function take an array and return one?
func ExampleFunc() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	x, err := shm.Make[float64](p.Arena(), 3)
	if err != nil {
		log.Fatal(err)
	}
	defer x.Release()
	copy(x.Data(), []float64{1, 2, 3})

	out, err := scale.Call(ctx, p, scaleIn{x.View(), 10})
	if err != nil {
		log.Fatal(err)
	}
	defer out.Scaled.Release()
	fmt.Println(out.Label, out.Scaled.Data())
	// Output: times 10 [10 20 30]
}
