package main

import (
	"context"

	"example.com/handoff/bench/stat"
	"example.com/handoff/pool"
)

// A work is the argument of a batch's task. Rounds is the number of iterations of spin;
// 0 asks for the tiny task.
type work struct{ X, Rounds int64 }

func (w work) do() int64 {
	if w.Rounds == 0 {
		return next(w.X)
	}
	return spin(w.X, w.Rounds)
}

var one = pool.Func("peers.work", func(_ *pool.Task, w work) (int64, error) { return w.do(), nil })

// many is the same for a range of tasks, whose answers it adds up.
var many = pool.ReduceFunc("peers.works", func(_ *pool.Task, rounds int64, lo, hi int) (sum int64, err error) {
	for i := lo; i < hi; i++ {
		sum += work{int64(i), rounds}.do()
	}
	return sum, nil
}, func(a, b int64) int64 { return a + b })

// ranged is a side: tasks handed over as one range.
func (s *session) ranged(ctx context.Context, workers int, rounds int64) (stat.Side, error) {
	p, err := s.pool(ctx, workers)
	run := func(ctx context.Context, n int) (int64, error) { return many.Reduce(ctx, p, rounds, n, nil) }
	return sized(s.span, run, checksum(rounds)), err
}

// mapped is a side: tasks handed over by Map.
func (s *session) mapped(ctx context.Context, workers int, rounds int64) (stat.Side, error) {
	p, err := s.pool(ctx, workers)
	run := func(ctx context.Context, n int) (sum int64, err error) {
		ins := func(yield func(work) bool) {
			for i := range n {
				if !yield(work{int64(i), rounds}) {
					return
				}
			}
		}
		for item, err := range one.Map(ctx, p, ins) {
			if err != nil {
				return 0, err
			}
			sum += item.Value
		}
		return sum, nil
	}
	return sized(s.span, run, checksum(rounds)), err
}

// goroutines is a side: the same work, one index at a time over a channel, done
// by goroutines that write their results to a slice.
func (s *session) goroutines(workers int, rounds int64) stat.Side {
	var out []int64
	return sized(s.span, func(_ context.Context, n int) (sum int64, err error) {
		if len(out) != n {
			out = make([]int64, n)
		}
		tasks := make(chan int, window)
		go func() {
			for i := range n {
				tasks <- i
			}
			close(tasks)
		}()
		err = together(workers, func(int) error {
			for i := range tasks {
				out[i] = work{int64(i), rounds}.do()
			}
			return nil
		})
		for _, v := range out {
			sum += v
		}
		return sum, err
	}, checksum(rounds))
}

// checksum is the sum of what n tasks answer.
func checksum(rounds int64) func(n int) int64 {
	return func(n int) (sum int64) {
		for i := range n {
			sum += work{int64(i), rounds}.do()
		}
		return sum
	}
}
