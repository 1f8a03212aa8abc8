package main

import (
	"context"
	"fmt"

	"example.com/handoff/bench/stat"
	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// Arrays that lie in the pool's arena already: only their Ref is handed over.
var arrayRows = []row{
	{name: "resident array: handoff of 64 MiB / of 64 KiB", goal: atMost(1.2), setup: func(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
		if err := need(0, 80<<20); err != nil {
			return nil, nil, err
		}
		p, err := s.pool(ctx, 1)
		if err != nil {
			return nil, nil, err
		}
		if ours, err = s.handoff(ctx, p, 64<<20); err != nil {
			return nil, nil, err
		}
		theirs, err = s.handoff(ctx, p, 64<<10)
		return ours, theirs, err
	}},
	{name: "resident array: handoff of 64 MiB / Python's shared_memory", goal: atMost(1.0 / 300), setup: func(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
		if err := need(0, 160<<20); err != nil {
			return nil, nil, err
		}
		if theirs, err = s.python(ctx, request{Op: "resident", Trips: s.few(100, 20), Bytes: 64 << 20}); err != nil {
			return nil, nil, err
		}
		p, err := s.pool(ctx, 1)
		if err != nil {
			return nil, nil, err
		}
		ours, err = s.handoff(ctx, p, 64<<20)
		return ours, theirs, err
	}},
	sumRow("resident array + sum, 1 MiB: worker / goroutine", 1<<20),
	sumRow("resident array + sum, 16 MiB: worker / goroutine", 16<<20),
	sumRow("resident array + sum, 64 MiB: worker / goroutine", 64<<20),
	{name: "array + sum, 16 MiB: worker / Python's pickle", setup: func(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
		const size = 16 << 20
		if err := need(200<<20, 32<<20); err != nil {
			return nil, nil, err
		}
		if theirs, err = s.python(ctx, request{Op: "pickle", Trips: s.few(5, 1), Bytes: size}); err != nil {
			return nil, nil, err
		}
		ours, err = s.residentSum(ctx, size)
		return ours, theirs, err
	}},
}

type array struct{ X shm.View[float64] }

var first = pool.Func("peers.first", func(_ *pool.Task, in array) (float64, error) { return in.X.Data()[0], nil })

var total = pool.Func("peers.sum", func(_ *pool.Task, in array) (float64, error) { return sum(in.X.Data()), nil })

// sum has eight accumulators: with one, every addition would wait for the one
// before.
func sum(x []float64) float64 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float64
	for ; len(x) >= 8; x = x[8:] {
		b := x[:8:8]
		s0 += b[0]
		s1 += b[1]
		s2 += b[2]
		s3 += b[3]
		s4 += b[4]
		s5 += b[5]
		s6 += b[6]
		s7 += b[7]
	}
	for _, v := range x {
		s0 += v
	}
	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
}

func ones(x []float64) []float64 {
	for i := range x {
		x[i] = 1
	}
	return x
}

// resident makes an array in the pool's arena that a task takes.
func (s *session) resident(p *pool.Pool, bytes int) (array, error) {
	x, err := shm.MakeUnzeroed[float64](p.Arena(), bytes/8)
	if err != nil {
		return array{}, err
	}
	s.cleanup(func() error { x.Release(); return nil })
	ones(x.Data())
	return array{x.View()}, nil
}

// handoff is a side: the worker reads one element.
func (s *session) handoff(_ context.Context, p *pool.Pool, bytes int) (stat.Side, error) {
	in, err := s.resident(p, bytes)
	return s.hot(func(ctx context.Context) error { return expect(ctx, first, p, in, 1) }), err
}

func expect(ctx context.Context, fn *pool.Fn[array, float64], p *pool.Pool, in array, want float64) error {
	got, err := fn.Call(ctx, p, in)
	if err == nil && got != want {
		err = fmt.Errorf("%w: %v, expected %v", errAnswer, got, want)
	}
	return err
}

func sumRow(name string, bytes int) row {
	return row{name: name, goal: atMost(1.05), setup: func(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
		if err := need(int64(bytes), 2*int64(bytes)); err != nil {
			return nil, nil, err
		}
		ours, err = s.residentSum(ctx, bytes)
		return ours, s.goroutineSum(bytes), err
	}}
}

// residentSum is a side: the worker adds all elements.
func (s *session) residentSum(ctx context.Context, bytes int) (stat.Side, error) {
	p, err := s.pool(ctx, 1)
	if err != nil {
		return nil, err
	}
	in, err := s.resident(p, bytes)
	want := float64(bytes / 8)
	return trips(s.span, 1, func(ctx context.Context) error { return expect(ctx, total, p, in, want) }), err
}

// goroutineSum is a side: a goroutine adds the elements of a slice.
func (s *session) goroutineSum(bytes int) stat.Side {
	x := ones(make([]float64, bytes/8))
	there, back := make(chan []float64), make(chan float64)
	go func() {
		for x := range there {
			back <- sum(x)
		}
		close(back)
	}()
	s.cleanup(func() error { close(there); <-back; return nil })
	return trips(s.span, 1, func(context.Context) error {
		there <- x
		if got := <-back; got != float64(len(x)) {
			return fmt.Errorf("%w: %v from a goroutine's sum, expected %d", errAnswer, got, len(x))
		}
		return nil
	})
}
