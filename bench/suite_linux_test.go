package bench

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"

	"example.com/handoff/bench/internal/cores"
	"example.com/handoff/bench/stat"
	"example.com/handoff/pool"
)

// BenchmarkSuite measures tasks beside what one would use instead:
//
//	go test -run '^$' -bench Suite -count 10 ./bench >old
//	benchstat old new
//
// An iteration takes a batch of tasks and a batch of the other way, in turn, and
// the other one first every other time, so that a slow moment of the machine hits
// both. The figures are medians over iterations:
//
//	ns-task     one task
//	ns-OTHER    one operation of the other way
//	x-OTHER     the first divided by the second, within an iteration
//	ns-canary   a cache line to another core and back, between two threads that
//	            spin: where it differs between two runs, so did the machine
//
// Only x-OTHER carries over to another time or machine. benchstat shows ns-task as
// sec-task, with its own prefixes.
func BenchmarkSuite(b *testing.B) {
	b.Run("what=roundtrip/beside=channel", func(b *testing.B) {
		beside(b, 5000, taskTrips(b), "channel", channelTrips(b))
	})
	b.Run("what=roundtrip/beside=pipe", func(b *testing.B) {
		beside(b, 500, taskTrips(b), "pipe", pipeTrips(b))
	})
	b.Run("what=roundtrip/beside=gob", func(b *testing.B) {
		beside(b, 500, taskTrips(b), "gob", gobTrips(b))
	})
	b.Run("what=map/beside=goroutines", func(b *testing.B) {
		beside(b, 16384, mapped(b, 2), "goroutines", goroutines(2))
	})
}

// A way does n operations and checks their answers.
type way func(n int) error

// beside measures task beside other, in batches of n.
func beside(b *testing.B, n int, task way, name string, other way) {
	batch := func(w way) stat.Side {
		return func(context.Context) (float64, error) {
			err := w(n / 10) // not counted: the other way ran meanwhile
			began := time.Now()
			if err == nil {
				err = w(n)
			}
			return float64(time.Since(began).Nanoseconds()) / float64(n), err
		}
	}
	var pairs stat.Pairs
	var canaries []float64
	for b.Loop() {
		if err := pairs.Take(b.Context(), batch(task), batch(other)); err != nil {
			b.Fatal(err)
		}
		if ns := cores.Canary(canaryTime); ns > 0 {
			canaries = append(canaries, ns)
		}
	}
	b.ReportMetric(0, "ns/op") // an iteration is no figure
	b.ReportMetric(stat.Median(pairs.A), "ns-task")
	b.ReportMetric(stat.Median(pairs.B), "ns-"+name)
	b.ReportMetric(stat.Median(pairs.Ratios()), "x-"+name)
	if len(canaries) > 0 {
		b.ReportMetric(stat.Median(canaries), "ns-canary")
	}
}

var same = pool.Func("bench.same", func(_ *pool.Task, x int) (int, error) { return x, nil })

func suitePool(b *testing.B, workers int) *pool.Pool {
	p, err := pool.New(context.Background(), &pool.Options{Workers: workers})
	require.NoError(b, err)
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		require.NoError(b, p.Close(ctx))
	})
	return p
}

// trips is one operation after the other.
func trips(ask func(x int) (int, error)) way {
	return func(n int) error {
		for x := range n {
			if y, err := ask(x); err != nil {
				return err
			} else if y != x {
				return fmt.Errorf("%w: %d to %d", ErrAnswer, y, x)
			}
		}
		return nil
	}
}

// taskTrips are tasks, from Submit to the answer of Wait.
func taskTrips(b *testing.B) way {
	p, ctx := suitePool(b, 1), context.Background()
	return trips(func(x int) (int, error) {
		f, err := same.Submit(ctx, p, x)
		if err != nil {
			return 0, err
		}
		return f.Wait(ctx)
	})
}

// channelTrips go to a goroutine and back over unbuffered channels.
func channelTrips(b *testing.B) way {
	there, back := make(chan int), make(chan int)
	go func() {
		for x := range there {
			back <- x
		}
	}()
	b.Cleanup(func() { close(there) })
	return trips(func(x int) (int, error) {
		there <- x
		return <-back, nil
	})
}

// pipeTrips are 8 bytes to a process and back.
func pipeTrips(b *testing.B) way {
	there, back := startPeer(b, "bytes")
	buf := make([]byte, 8)
	return trips(func(x int) (int, error) {
		binary.NativeEndian.PutUint64(buf, uint64(x))
		if _, err := there.Write(buf); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(back, buf); err != nil {
			return 0, err
		}
		return int(binary.NativeEndian.Uint64(buf)), nil
	})
}

// gobTrips are numbers to a process and back, by one encoder and one decoder.
func gobTrips(b *testing.B) way {
	there, back := startPeer(b, "gob")
	enc, dec := gob.NewEncoder(there), gob.NewDecoder(bufio.NewReader(back))
	return trips(func(x int) (y int, err error) {
		if err := enc.Encode(x); err != nil {
			return 0, err
		}
		err = dec.Decode(&y)
		return y, err
	})
}

// mapped are tiny tasks handed out by Map.
func mapped(b *testing.B, workers int) way {
	p := suitePool(b, workers)
	return func(n int) error {
		next := 0
		for item, err := range same.Map(context.Background(), p, func(yield func(int) bool) {
			for x := range n {
				if !yield(x) {
					return
				}
			}
		}) {
			if err != nil {
				return err
			}
			if item.Value != next {
				return fmt.Errorf("%w: %d to %d", ErrAnswer, item.Value, next)
			}
			next++
		}
		if next != n {
			return fmt.Errorf("%w: %d of %d", ErrAnswer, next, n)
		}
		return nil
	}
}

// goroutines do the same, one index at a time over a channel.
func goroutines(workers int) way {
	var out []int
	return func(n int) error {
		out = append(out[:0], make([]int, n)...)
		tasks := make(chan int, 256)
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for x := range tasks {
					out[x] = x
				}
			})
		}
		for x := range n {
			tasks <- x
		}
		close(tasks)
		wg.Wait()
		for x, y := range out {
			if y != x {
				return fmt.Errorf("%w: %d to %d", ErrAnswer, y, x)
			}
		}
		return nil
	}
}

// The suites print what benchstat reads, every figure for every run, on one core
// too.
func TestSuiteFormat(t *testing.T) {
	for _, procs := range []int{1, 2} {
		t.Run(fmt.Sprintf("GOMAXPROCS=%d", procs), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^$", "-test.bench=^BenchmarkSuite$", "-test.benchtime=2x", "-test.count=2")
			cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", procs))
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			runs := map[string]int{}
			for reader := benchfmt.NewReader(bytes.NewReader(out), "suite"); reader.Scan(); {
				res, ok := reader.Result().(*benchfmt.Result)
				require.True(t, ok, "%v", reader.Result())
				_, other, _ := strings.Cut(string(res.Name), "beside=")
				other, _, _ = strings.Cut(other, "-")
				runs[other]++
				units := []string{"ns-task", "ns-" + other, "x-" + other}
				if all, err := cores.Usable(); procs > 1 && err == nil && len(all) > 1 {
					units = append(units, "ns-canary")
				}
				var found []string
				for _, v := range res.Values {
					require.Positive(t, v.Value, "%s", res.Name)
					found = append(found, cmp.Or(v.OrigUnit, v.Unit)) // the reader makes sec-task of ns-task
				}
				require.ElementsMatch(t, units, found, "%s", res.Name)
			}
			require.Equal(t, map[string]int{"channel": 2, "pipe": 2, "gob": 2, "goroutines": 2}, runs, "%s", out)
		})
	}
}
