package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

type doubleIn struct {
	X shm.View[float64]
	Y shm.Array[float64] // written to in place; made in Pool.Outputs
}

var doubleRange = pool.RangeFunc("example.double", func(_ *pool.Task, in doubleIn, lo, hi int) error {
	x, y := in.X.Data(), in.Y.Data()
	for i := lo; i < hi; i++ {
		y[i] = 2 * x[i]
	}
	return nil
})

var sumRange = pool.ReduceFunc("example.sum", func(_ *pool.Task, x shm.View[float64], lo, hi int) (sum float64, err error) {
	for _, v := range x.Data()[lo:hi] {
		sum += v
	}
	return sum, nil
}, func(a, b float64) float64 { return a + b })

// How is a loop over indices shared out among the workers?
func ExampleRangeFunc() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	const n = 1000
	x, err := shm.Make[float64](p.Arena(), n)
	if err != nil {
		log.Fatal(err)
	}
	defer x.Release()
	y, err := shm.Make[float64](p.Outputs(), n)
	if err != nil {
		log.Fatal(err)
	}
	defer y.Release()
	for i, data := 0, x.Data(); i < n; i++ {
		data[i] = float64(i)
	}

	if err := doubleRange.ForRange(ctx, p, doubleIn{x.View(), y}, n, nil); err != nil {
		log.Fatal(err)
	}
	sum, err := sumRange.Reduce(ctx, p, x.View(), n, nil)
	fmt.Println(y.Data()[n-1], sum, err)
	// Output: 1998 499500 <nil>
}

var crashAt = pool.RangeFunc("example.crashAt", func(_ *pool.Task, bad, lo, hi int) error {
	if lo <= bad && bad < hi {
		os.Exit(3)
	}
	return nil
})

// Which indices of a range were left out because they kill their workers? Each is named;
// all others are done.
func ExampleQuarantineError() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	err = crashAt.ForRange(ctx, p, 13, 20, &pool.RangeOptions{Quarantine: 1})
	var left *pool.QuarantineError
	if errors.As(err, &left) {
		for _, poison := range left.Indices {
			fmt.Println("left out:", poison.Index, poison.Death.Class, poison.Death.ExitCode)
		}
	}
	// Output: left out: 13 exit 3
}
