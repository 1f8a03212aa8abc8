package pool

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/handoff/shm"
)

var makeBytes = Func("test.makeBytes", func(t *Task, n int) (shm.OwnedView[byte], error) {
	x, err := shm.MakeUnzeroed[byte](t.Arena(), n)
	return x.Own(), err
})

// A result by Ref, from Submit to Release: nothing is filled in and nothing copied.
func BenchmarkResult(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"64KiB", 64 << 10}, {"16MiB", 16 << 20}} {
		b.Run("by=view/size="+size.name, func(b *testing.B) {
			p := newPool(b, &Options{Workers: 1})
			b.ReportAllocs()
			for b.Loop() {
				f, err := makeBytes.Submit(background(), p, size.bytes)
				if err != nil {
					b.Fatal(err)
				}
				v, err := f.Wait(background())
				if err != nil {
					b.Fatal(err)
				}
				v.Release()
			}
		})
	}
}

// compute computes for about the given time, the same for processes and goroutines.
func compute(loops int) (x uint64) {
	x = 88172645463325252
	for range loops {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

// loopsFor is how many loops of compute take so long here.
func loopsFor(d time.Duration) int {
	const loops = 1_000_000
	best := time.Hour
	for range 5 {
		began := time.Now()
		sink.Add(compute(loops))
		best = min(best, time.Since(began))
	}
	return int(float64(loops) * float64(d) / float64(best))
}

var sink atomic.Uint64

var busyRange = RangeFunc("test.busyRange", func(_ *Task, loops int, lo, hi int) error {
	x := uint64(0)
	for range hi - lo {
		x += compute(loops)
	}
	sink.Add(x)
	return nil
})

var busyTask = Func("test.busyTask", func(_ *Task, loops int) (uint64, error) { return compute(loops), nil })

// As much work in two processes as in two goroutines over a channel, taking
// turns; x-goroutines is the median of the ratios of their rates.
func BenchmarkWork(b *testing.B) {
	for _, each := range []time.Duration{0, time.Microsecond, 10 * time.Microsecond, 100 * time.Microsecond, time.Millisecond} {
		loops := loopsFor(each)
		n := min(int(40*time.Millisecond/max(each, 50*time.Nanosecond)), 400_000)
		p := newPool(b, &Options{Workers: 2})
		goroutines := func() {
			indices, ended := make(chan int, 128), sync.WaitGroup{}
			for range 2 {
				ended.Go(func() {
					x := uint64(0)
					for range indices {
						x += compute(loops)
					}
					sink.Add(x)
				})
			}
			for i := range n {
				indices <- i
			}
			close(indices)
			ended.Wait()
		}
		for name, processes := range map[string]func() error{
			"range": func() error { return busyRange.ForRange(background(), p, loops, n, nil) },
			"map": func() error {
				for _, err := range busyTask.Map(background(), p, func(yield func(int) bool) {
					for range n {
						if !yield(loops) {
							return
						}
					}
				}) {
					if err != nil {
						return err
					}
				}
				return nil
			},
		} {
			b.Run(fmt.Sprintf("by=%s/each=%v", name, each), func(b *testing.B) {
				var ratios []float64
				var took time.Duration
				for b.Loop() {
					began := time.Now()
					goroutines()
					one := time.Since(began)
					began = time.Now()
					if err := processes(); err != nil {
						b.Fatal(err)
					}
					two := time.Since(began)
					took += two
					ratios = append(ratios, float64(one)/float64(two))
				}
				slices.Sort(ratios)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(took.Nanoseconds())/float64(len(ratios)*n), "ns/index")
				b.ReportMetric(ratios[len(ratios)/2], "x-goroutines")
			})
		}
	}
}
