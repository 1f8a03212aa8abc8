package pool

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/bench/stat"
	"example.com/handoff/shm"
)

type benchTable struct {
	X      []float64
	Places map[string]int64
}

var (
	touchShared = Func("bench.touchShared", func(_ *Task, s Shared[benchTable]) (float64, error) {
		x := s.Get().X
		return x[0] + x[len(x)-1], nil
	})
	touchView = Func("bench.touchView", func(_ *Task, v shm.View[float64]) (float64, error) {
		x := v.Data()
		return x[0] + x[len(x)-1], nil
	})
)

// A benchWay is one of those that a benchmark compares, in calls of do.
type benchWay struct {
	name  string
	calls int // of one sample
	do    func()
}

// compareWays takes one sample of each way in each iteration, beginning with another each
// time, and reports their medians and the ratios that are asked for, "a/b", with the bounds
// of their 95 % intervals.
func compareWays(b *testing.B, ways []benchWay, ratios ...string) {
	times := map[string][]float64{}
	for round := 0; b.Loop(); round++ {
		for i := range ways {
			w := &ways[(i+round)%len(ways)]
			w.do() // what the last way has driven out of the caches comes back
			start := time.Now()
			for range w.calls {
				w.do()
			}
			times[w.name] = append(times[w.name], float64(time.Since(start).Nanoseconds())/float64(w.calls))
		}
	}
	for _, w := range ways {
		b.ReportMetric(stat.Median(times[w.name]), w.name+"-ns")
	}
	for _, ratio := range ratios {
		one, other, _ := strings.Cut(ratio, "/")
		r := stat.Compare(times[one], times[other], 0.05)
		b.ReportMetric(r.Mid, ratio)
		b.ReportMetric(r.Low, ratio+"-low")
		b.ReportMetric(r.High, ratio+"-high")
	}
	b.ReportMetric(0, "ns/op")
}

// A task that reads a Shared costs the same at every size, and at most twice what one
// with a View does. An iteration is a round, of 200 calls of each.
func BenchmarkShared(b *testing.B) {
	ctx := context.Background()
	p := newPool(b, &Options{Workers: 1})
	var ways []benchWay
	for _, size := range []struct {
		name  string
		bytes int
	}{{"64KiB", 64 << 10}, {"64MiB", 64 << 20}} {
		x, err := shm.PutCopy(p.Arena(), make([]float64, size.bytes/8))
		require.NoError(b, err)
		defer x.Release()
		s, err := Share(p, benchTable{X: make([]float64, size.bytes/8)})
		require.NoError(b, err)
		defer s.Release()
		v := x.View()
		ways = append(ways, benchWay{"view-" + size.name, 200, func() {
			if _, err := touchView.Call(ctx, p, v); err != nil {
				b.Fatal(err)
			}
		}}, benchWay{"shared-" + size.name, 200, func() {
			if _, err := touchShared.Call(ctx, p, s); err != nil {
				b.Fatal(err)
			}
		}})
	}
	compareWays(b, ways, "shared-64MiB/shared-64KiB", "shared-64KiB/view-64KiB", "shared-64MiB/view-64MiB")
}

// To share slices without pointers in an arena that is warm takes hardly longer than to
// copy their bytes. An iteration is a round.
func BenchmarkShare(b *testing.B) {
	for _, bytes := range []int{16 << 20, 64 << 20} {
		b.Run(fmt.Sprintf("bytes=%d", bytes), func(b *testing.B) {
			src, dst := make([]float64, bytes/8), make([]float64, bytes/8)
			for i := range src {
				src[i] = float64(i)
			}
			p := newPool(b, &Options{Workers: 1, Arenas: Arenas{Inputs: &shm.ArenaOptions{SegmentBytes: int64(2 * bytes)}}})
			// The first calls warm the arena, which gives the same block out again.
			compareWays(b, []benchWay{{"copy", 1, func() { copy(dst, src) }}, {"share", 1, func() {
				s, err := Share(p, benchTable{X: src})
				if err != nil {
					b.Fatal(err)
				}
				s.Release()
			}}}, "share/copy")
		})
	}
}

// What a Share of a million short strings takes, in time and in memory of each worker.
func BenchmarkShareStrings(b *testing.B) {
	p := newPool(b, &Options{Workers: 1})
	w := words(1_000_000)
	for b.Loop() {
		s, _ := shareWords(b, p, w)
		b.ReportMetric(float64(p.Stats().Memory.SharedHeaders), "spine-B")
		b.ReportMetric(float64(s.block.Len()), "block-B")
		s.Release()
	}
}
