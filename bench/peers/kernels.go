package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"

	"example.com/handoff/bench/stat"
)

// Tasks that compute, in as many workers as there are cores, against as many
// goroutines.
var kernelRows = []row{
	kernelRow("tasks of 1 ms: processes / goroutine pool", atLeast(0.97), time.Millisecond, (*session).mapped),
	kernelRow("tasks of 100 µs: processes / goroutine pool", atLeast(0.97), 100*time.Microsecond, (*session).mapped),
	kernelRow("tasks of 10 µs: processes / goroutine pool", atLeast(0.97), 10*time.Microsecond, (*session).mapped),
	kernelRow("tasks of 1 µs: processes / goroutine pool", goal{least: true}, time.Microsecond, (*session).mapped),
	kernelRow("tasks of 1 ms, as a range: processes / goroutine pool", atLeast(1), time.Millisecond, (*session).ranged),
	kernelRow("tasks of 100 µs, as a range: processes / goroutine pool", atLeast(1), 100*time.Microsecond, (*session).ranged),
	kernelRow("tasks of 10 µs, as a range: processes / goroutine pool", atLeast(1), 10*time.Microsecond, (*session).ranged),
	kernelRow("tasks of 1 µs, as a range: processes / goroutine pool", atLeast(1), time.Microsecond, (*session).ranged),
}

type processes func(s *session, ctx context.Context, workers int, rounds int64) (stat.Side, error)

func kernelRow(name string, g goal, kernel time.Duration, by processes) row {
	return row{name: name, goal: g, setup: func(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
		workers, rounds := runtime.GOMAXPROCS(0), calibrate(kernel)
		ours, err = by(s, ctx, workers, rounds)
		return ours, s.goroutines(workers, rounds), err
	}}
}

// spin is the kernel: rounds of a xorshift generator (Marsaglia, "Xorshift
// RNGs", 2003), each of which needs the one before.
func spin(seed, rounds int64) int64 {
	x := uint64(seed) + 1
	for range rounds {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return int64(x)
}

// calibrate is how many rounds take d, by the best of some runs: both sides do
// the same number, so it need not be exact.
func calibrate(d time.Duration) int64 {
	const rounds = 200_000
	best := time.Duration(math.MaxInt64)
	for i := range int64(20) {
		start := time.Now()
		if spin(i, rounds) == 0 {
			panic(fmt.Sprintf("xorshift of %d reached 0", i)) // it never does: 0 is a cycle of its own
		}
		best = min(best, time.Since(start))
	}
	return max(1, int64(d)*rounds/max(1, int64(best)))
}
