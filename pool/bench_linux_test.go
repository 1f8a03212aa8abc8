package pool

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

var nothing = Func("test.nothing", func(t *Task, n int) (int, error) { return n, nil })

// relay answers on one named pipe what it reads from another, a byte at a time.
var relay = Func("test.relay", func(t *Task, dir string) (int, error) {
	in, err := os.OpenFile(dir+"/there", os.O_RDONLY, 0)
	if err != nil {
		return 0, err
	}
	out, err := os.OpenFile(dir+"/back", os.O_WRONLY, 0)
	if err != nil {
		return 0, err
	}
	b := make([]byte, 1)
	for {
		if _, err := in.Read(b); err == io.EOF {
			return 0, nil
		} else if err != nil {
			return 0, err
		}
		out.Write(b)
	}
})

// One task at a time, from Submit to the answer of Wait, beside what a byte
// takes through pipes to a process and through channels to a goroutine.
func BenchmarkRoundTrip(b *testing.B) {
	for _, iso := range []Isolation{Process, Goroutine} {
		b.Run("by=task/peer="+string(iso), func(b *testing.B) {
			p := newPool(b, &Options{Workers: 1, Isolation: iso})
			b.ReportAllocs()
			for b.Loop() {
				f, err := nothing.Submit(background(), p, 1)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := f.Wait(background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("by=pipe/peer=process", func(b *testing.B) {
		p := newPool(b, &Options{Workers: 1})
		dir := b.TempDir()
		require.NoError(b, mkfifo(dir+"/there"))
		require.NoError(b, mkfifo(dir+"/back"))
		f, err := relay.Submit(background(), p, dir)
		require.NoError(b, err)
		there, err := os.OpenFile(dir+"/there", os.O_WRONLY, 0)
		require.NoError(b, err)
		back, err := os.OpenFile(dir+"/back", os.O_RDONLY, 0)
		require.NoError(b, err)
		buf := make([]byte, 1)
		for b.Loop() {
			there.Write(buf)
			if _, err := back.Read(buf); err != nil {
				b.Fatal(err)
			}
		}
		there.Close()
		back.Close()
		_, err = f.Wait(background())
		require.NoError(b, err)
	})
	b.Run("by=channel/peer=goroutine", func(b *testing.B) {
		there, back := make(chan int), make(chan int)
		go func() {
			for n := range there {
				back <- n
			}
		}()
		for b.Loop() {
			there <- 1
			<-back
		}
		close(there)
	})
}

// Tasks handed out by Map over two workers, windows deep.
func BenchmarkMap(b *testing.B) {
	for _, iso := range []Isolation{Process, Goroutine} {
		b.Run("peer="+string(iso), func(b *testing.B) {
			p := newPool(b, &Options{Workers: 2, Isolation: iso})
			x, err := shm.PutCopy(p.Arena(), make([]float64, 100))
			require.NoError(b, err)
			defer x.Release()
			n := 0
			for _, err := range norm.Map(background(), p, func(yield func(normIn) bool) {
				for b.Loop() {
					if !yield(normIn{x.View(), 1}) {
						return
					}
				}
			}) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
		})
	}
}

var makeBytes = Func("test.makeBytes", func(t *Task, n int) (shm.View[byte], error) {
	x, err := shm.MakeUnzeroed[byte](t.Arena(), n)
	return x.View(), err
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

// Tasks submitted one by one, 128 on their way, beside 64-byte messages through
// a channel to a goroutine and back.
func BenchmarkThroughput(b *testing.B) {
	const window = 128
	for _, workers := range []int{1, 2} {
		b.Run(fmt.Sprintf("by=task/workers=%d", workers), func(b *testing.B) {
			p := newPool(b, &Options{Workers: workers})
			b.ReportAllocs()
			var fs [window]Future[int]
			for i := range b.N {
				if i >= window {
					if _, err := fs[i%window].Wait(background()); err != nil {
						b.Fatal(err)
					}
				}
				var err error
				if fs[i%window], err = nothing.Submit(background(), p, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("by=channel", func(b *testing.B) {
		there, back := make(chan [64]byte, window), make(chan [64]byte, window)
		go func() {
			for m := range there {
				back <- m
			}
			close(back)
		}()
		for i := range b.N {
			if i >= window {
				<-back
			}
			there <- [64]byte{}
		}
		close(there)
		for range back {
		}
	})
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
