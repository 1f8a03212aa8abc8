package pipeline_test

import (
	"context"
	"fmt"
	"log"
	"math"
	"slices"

	"example.com/handoff/pool"
	"example.com/handoff/pool/pipeline"
	"example.com/handoff/shm"
)

type signal struct {
	Name string
	X    shm.View[float64]
}

type power struct {
	Name  string
	Total float64
	Parts shm.OwnedView[float64]
}

// spectrum runs in worker processes. What it returns it has made in t.Arena().
var spectrum = pool.Func("example.spectrum", func(t *pool.Task, in signal) (power, error) {
	n := in.X.Len()
	parts, err := shm.MakeWait[float64](t.Context(), t.Arena(), n/2)
	if err != nil {
		return power{}, err
	}
	out := power{Name: in.Name, Parts: parts.Own()}
	for k := range parts.Data() {
		var re, im float64
		for i, x := range in.X.Data() {
			sin, cos := math.Sincos(2 * math.Pi * float64(k*i) / float64(n))
			re, im = re+x*cos, im+x*sin
		}
		parts.Data()[k] = (re*re + im*im) / float64(n)
		out.Total += parts.Data()[k]
	}
	return out, nil
})

// A stage that waits, in goroutines, then one that computes, in worker processes: the
// arrays go from one to the other in shared memory, and nobody but the pipeline releases
// them. main has to call pool.Main first.
func ExampleProc() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	fetch := func(ctx context.Context, tone int) (signal, error) { // as from a network
		x, err := shm.MakeWait[float64](ctx, p.Arena(), 256)
		if err != nil {
			return signal{}, err
		}
		pipeline.Hold(ctx, x)
		for i := range x.Data() {
			x.Data()[i] = math.Sin(2 * math.Pi * float64(tone*i) / 256)
		}
		return signal{fmt.Sprintf("tone %d", tone), x.View()}, nil
	}
	write := func(ctx context.Context, s power) error {
		loudest := slices.Max(s.Parts.Data())
		fmt.Printf("%s: %.0f %% of the power at %d\n", s.Name, 100*loudest/s.Total, slices.Index(s.Parts.Data(), loudest))
		return nil
	}

	pl := pipeline.New(nil)
	raw := pipeline.Go(pl, "fetch", pipeline.From(pl, slices.Values([]int{3, 14, 15})), fetch, 16)
	spec := pipeline.Proc(pl, "transform", raw, p, spectrum, 0)
	if err := pipeline.Drain(ctx, spec, write); err != nil {
		log.Fatal(err)
	}
	// Output:
	// tone 3: 100 % of the power at 3
	// tone 14: 100 % of the power at 14
	// tone 15: 100 % of the power at 15
}
