package pool_test

import (
	"cmp"
	"context"
	"os"
	"runtime"
	"testing"
	"time"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// The benchmarks of what every task passes through. bench/compare runs them in two checkouts in turn and puts this
// file into the older one, so it uses little of the exported API and nothing else.

// hotLoops is how many iterations of hotWork take about a microsecond on the README's machine. It is fixed, so that
// two checkouts do the same work.
const hotLoops = 500

func hotWork(loops int) uint64 {
	x := uint64(88172645463325252)
	for range loops {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

type (
	hotView  struct{ X shm.View[float64] }
	hotViews struct{ X [8]shm.View[float64] }
)

var (
	hotEcho  = pool.Func("hot.echo", func(_ *pool.Task, n int) (int, error) { return n, nil })
	hotTask  = pool.Func("hot.task", func(_ *pool.Task, loops int) (uint64, error) { return hotWork(loops), nil })
	hotOne   = pool.Func("hot.one", func(_ *pool.Task, in hotView) (float64, error) { return in.X.Data()[0], nil })
	hotEight = pool.Func("hot.eight", func(_ *pool.Task, in hotViews) (float64, error) { return in.X[7].Data()[0], nil })
	hotDie   = pool.Func("hot.die", func(t *pool.Task, n int) (int, error) {
		if t.Attempt() == 1 {
			os.Exit(3)
		}
		return n, nil
	})
	hotSleep = pool.Func("hot.sleep", func(t *pool.Task, _ int) (int, error) { <-t.Context().Done(); return 0, nil })
	hotRange = pool.RangeFunc("hot.range", func(_ *pool.Task, loops, lo, hi int) error {
		for range hi - lo {
			if hotWork(loops) == 0 { // never, which the compiler does not know
				return os.ErrInvalid
			}
		}
		return nil
	})
)

// hotEach submits n tasks one by one and then waits for each.
func hotEach[In, Out any](p *pool.Pool, f *pool.Fn[In, Out], in In, n int) func() error {
	futures := make([]pool.Future[Out], n)
	return func() (err error) {
		for i := range futures {
			if futures[i], err = f.Submit(context.Background(), p, in); err != nil {
				return err
			}
		}
		for i := range futures {
			if _, err = futures[i].Wait(context.Background()); err != nil {
				return err
			}
		}
		return nil
	}
}

func hotMap(p *pool.Pool, loops, n int) func() error {
	return func() error {
		for _, err := range hotTask.Map(context.Background(), p, func(yield func(int) bool) {
			for i := 0; i < n && yield(loops); i++ {
			}
		}) {
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// hotBeside is f while another goroutine has waited for long, for a task that sleeps until the pool ends.
func hotBeside(p *pool.Pool, f func() error) func() error {
	long, err := hotSleep.Submit(context.Background(), p, 0)
	waits := make(chan struct{})
	go func() {
		close(waits)
		long.Wait(context.Background())
	}()
	<-waits
	time.Sleep(100 * time.Millisecond)
	return func() error { return cmp.Or(err, f()) }
}

// hotRows are the benchmarks: start returns what does n tasks, or a range of n indices.
var hotRows = []struct {
	name       string
	workers, n int
	start      func(p *pool.Pool, x shm.View[float64], n int) func() error
}{
	{"op=roundtrip/workers=1", 1, 1, func(p *pool.Pool, _ shm.View[float64], n int) func() error {
		return hotEach(p, hotEcho, 1, n)
	}},
	{"op=roundtrip/workers=1/each=100us", 1, 1, func(p *pool.Pool, _ shm.View[float64], n int) func() error {
		return hotEach(p, hotTask, 100*hotLoops, n)
	}},
	{"op=roundtrip/workers=2/beside=wait", 2, 1, func(p *pool.Pool, _ shm.View[float64], n int) func() error {
		return hotBeside(p, hotEach(p, hotEcho, 1, n))
	}},
	{"op=submit/workers=1", 1, 1000, func(p *pool.Pool, _ shm.View[float64], n int) func() error {
		return hotEach(p, hotEcho, 1, n)
	}},
	{"op=submit/workers=2", 2, 1000, func(p *pool.Pool, _ shm.View[float64], n int) func() error {
		return hotEach(p, hotEcho, 1, n)
	}},
	{"op=map/workers=2/each=0us", 2, 2000, func(p *pool.Pool, _ shm.View[float64], n int) func() error {
		return hotMap(p, 0, n)
	}},
	{"op=map/workers=2/each=10us", 2, 1000, func(p *pool.Pool, _ shm.View[float64], n int) func() error {
		return hotMap(p, 10*hotLoops, n)
	}},
	{"op=range/workers=2/each=1us", 2, 20_000, func(p *pool.Pool, _ shm.View[float64], n int) func() error {
		return func() error { return hotRange.ForRange(context.Background(), p, hotLoops, n, nil) }
	}},
	{"op=views/workers=1/views=1", 1, 100, func(p *pool.Pool, x shm.View[float64], n int) func() error {
		return hotEach(p, hotOne, hotView{x}, n)
	}},
	{"op=views/workers=1/views=8", 1, 100, func(p *pool.Pool, x shm.View[float64], n int) func() error {
		return hotEach(p, hotEight, hotViews{[8]shm.View[float64]{x, x, x, x, x, x, x, x}}, n)
	}},
	{"op=retry/workers=1/death=exit", 1, 1, func(p *pool.Pool, _ shm.View[float64], n int) func() error {
		return hotEach(p, hotDie, 1, n)
	}},
}

// BenchmarkHot reports the time, and the allocations of the supervisor, per task or index.
func BenchmarkHot(b *testing.B) {
	for _, row := range hotRows {
		b.Run(row.name, func(b *testing.B) {
			p, err := pool.New(context.Background(), &pool.Options{Workers: row.workers, Timeouts: pool.Timeouts{Close: time.Millisecond}})
			if err != nil {
				b.Fatal(err)
			}
			defer p.Close(context.Background())
			x, err := shm.PutCopy(p.Arena(), make([]float64, 100))
			if err != nil {
				b.Fatal(err)
			}
			defer x.Release()
			run := row.start(p, x.View(), row.n)
			if err := run(); err != nil { // the workers have started, and the tables have grown
				b.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for b.Loop() {
				if err := run(); err != nil {
					b.Fatal(err)
				}
			}
			runtime.ReadMemStats(&after)
			tasks := float64(b.N) * float64(row.n)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/tasks, "ns/task")
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/tasks, "allocs/task")
		})
	}
}
