// Package cores places threads and processes on cores, and measures how far apart two
// cores are, for package bench and for bench/peers.
package cores

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"example.com/handoff/bench/stat"
)

// Canary is what a round trip between two threads takes that spin on two cores,
// over two words in cache lines of their own, in nanoseconds: the median over
// batches. It says how far apart the cores are at the moment and how busy, and
// nothing of any program. 0 where this process has one core.
func Canary(span time.Duration) float64 {
	cores, err := Usable()
	if err != nil || len(cores) < 2 || runtime.GOMAXPROCS(0) < 2 {
		return 0
	}
	const batch, end = 20, math.MaxUint64
	var there, back struct {
		atomic.Uint64
		_ [120]byte
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := On(cores[1], func() error {
			for x, seen := uint64(0), uint64(0); x != end; x = there.Load() {
				if x != seen {
					seen = x
					back.Store(x)
				}
			}
			return nil
		})
		if err != nil {
			back.Store(end) // nobody answers
		}
	}()
	var means []float64
	_ = On(cores[0], func() error {
		x := uint64(0)
		trip := func() {
			x++
			there.Store(x)
			for back.Load() < x {
			}
		}
		trip() // the other thread has started
		for began := time.Now(); time.Since(began) < span; {
			start := time.Now()
			for range batch {
				trip()
			}
			means = append(means, float64(time.Since(start))/batch)
		}
		return nil
	})
	there.Store(end)
	<-done
	if len(means) == 0 {
		return 0
	}
	return stat.Median(means)
}
