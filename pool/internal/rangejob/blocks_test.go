package rangejob

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// checkCut looks at every block of a cut.
func checkCut(t require.TestingT, n, grain, workers int) {
	b := Cut(n, grain, workers)
	require.Equal(t, n > 0, b.Count > 0)
	require.LessOrEqual(t, b.Count, maxBlocks)
	require.Equal(t, b, Cut(n, grain, workers))
	workers = min(max(workers, 1), maxSharers)
	least := min(max(grain, 1), max(n, 0))
	end, third := 0, 0 // of what was left when the round began
	for i := range b.Count {
		if i%workers == 0 {
			third = (n-end-1)/3 + 1
		}
		lo, hi := b.At(i)
		// Without require, which is slow.
		if size := hi - lo; lo != end || size < 1 || hi > n || size < least {
			t.Errorf("block %d of %d, after %d: [%d, %d)", i, b.Count, end, lo, hi)
			t.FailNow()
		}
		if i < b.rounds*workers && hi-lo != (third-1)/workers+1 {
			t.Errorf("block %d of %d has %d of %d indices for %d workers", i, b.Count, hi-lo, third, workers)
			t.FailNow()
		}
		end = hi
	}
	require.Equal(t, max(n, 0), end)
	if n > 0 {
		lo, hi := b.At(b.Count - 1)
		share := float64(n) / float64(workers)
		require.LessOrEqual(t, float64(hi-lo), max(2*float64(least), share/22+2), "the last of %d", b.Count)
	}
}

func TestBlocksExtremes(t *testing.T) {
	numbers := []int{math.MinInt, -1, 0, 1, 2, 3, 63, 64, 65, 1000, 4095, 4096, 4097, maxBlocks - 1, maxBlocks, maxBlocks + 1,
		1<<31 - 1, 1 << 32, 1<<53 + 1, 1<<62 - 1, 1 << 62, math.MaxInt - 1, math.MaxInt}
	for _, n := range numbers {
		for _, grain := range numbers {
			for _, workers := range []int{math.MinInt, 0, 1, 2, 3, 7, 64, 1023, maxSharers - 1, maxSharers, maxSharers + 1, math.MaxInt} {
				checkCut(t, n, grain, workers)
				if t.Failed() {
					t.Fatalf("Cut(%d, %d, %d)", n, grain, workers)
				}
			}
		}
	}
}

func TestBlocks(t *testing.T) {
	magnitudes := make([]int, 63)
	for i := range magnitudes {
		magnitudes[i] = 1 << i
	}
	size := rapid.Custom(func(t *rapid.T) int { // any magnitude as often as another
		m := rapid.SampledFrom(magnitudes).Draw(t, "magnitude")
		return m + rapid.IntRange(0, m-1).Draw(t, "and")
	})
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.OneOf(rapid.IntRange(1, 16), rapid.IntRange(1, maxSharers)).Draw(t, "workers")
		checkCut(t, size.Draw(t, "n"), size.Draw(t, "grain"), workers)
	})
}

// Both sides of a range job must cut alike: another cut is another protocol.
func TestBlocksSizes(t *testing.T) {
	for _, tt := range []struct {
		n, grain, workers int
		want              string
	}{
		{0, 1, 4, "[]"},
		{-5, 1, 4, "[]"},
		{1, 100, 4, "[1]"},
		{5, 1, 4096, "[1 1 1 1 1]"},
		{10, 1, 4, "[1 1 1 1 1 1 1 1 1 1]"},
		{10, 4, 4, "[5 5]"},
		{100, 1, 1, "[34 22 15 10 7 4 3 2 1 1 1]"},
		{100, 10, 1, "[34 22 15 15 14]"},
		{100, 1, 2, "[17 17 11 11 8 8 5 5 3 3 2 2 2 2 1 1 1 1]"},
		{100, 0, 0, "[34 22 15 10 7 4 3 2 1 1 1]"},
		{100, 9, 2, "[17 17 11 11 11 11 11 11]"},
		{100, 30, 8, "[34 33 33]"},
	} {
		b := Cut(tt.n, tt.grain, tt.workers)
		sizes := []int{}
		for i := range b.Count {
			lo, hi := b.At(i)
			sizes = append(sizes, hi-lo)
		}
		if got := fmt.Sprint(sizes); got != tt.want {
			t.Errorf("Cut(%d, %d, %d): got %s, want %s", tt.n, tt.grain, tt.workers, got, tt.want)
		}
	}
	for _, tt := range []struct{ n, grain, workers, count, middle int }{
		{1_000_000, 1, 8, 224, 996_584},
		{1 << 62, 1, 4096, 32767, 3_700_624_493_808_960_600},
		{math.MaxInt, 1, 1, 107, 9223372032568767615},
		{math.MaxInt, 7, 1000, 31999, 9_209_322_996_016_981_059},
	} {
		b := Cut(tt.n, tt.grain, tt.workers)
		lo, _ := b.At(b.Count / 2)
		require.Equal(t, tt.count, b.Count)
		require.Equal(t, tt.middle, lo)
	}
}

func TestBlocksOutside(t *testing.T) {
	b := Cut(100, 1, 2)
	require.PanicsWithValue(t, "rangejob: block -1 of 18", func() { b.At(-1) })
	require.PanicsWithValue(t, "rangejob: block 18 of 18", func() { b.At(18) })
	require.Panics(t, func() { (&Blocks{}).At(0) })
}

func TestBlocksAllocateNothing(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b := Cut(1<<62, 1, maxSharers)
		b.At(b.Count / 2)
	}))
}

// What k = 3 is chosen for: a worker at half speed, and indices that cost up to
// twice the mean, do not make the job longer than it must be. The workers are
// played through, by the costs alone; there is no clock.
func TestBlocksBalance(t *testing.T) {
	const n = 1_000_000
	for _, tt := range []struct {
		name string
		slow float64                  // the first worker's speed; the others' is 1
		cost func(lo, hi int) float64 // of the indices together; 1 is their mean
	}{
		{"even", 1, func(lo, hi int) float64 { return float64(hi - lo) }},
		{"a slow worker", 0.5, func(lo, hi int) float64 { return float64(hi - lo) }},
		{"falling cost", 1, func(lo, hi int) float64 { return float64(hi-lo) * (2 - float64(lo+hi)/n) }},
		{"rising cost", 1, func(lo, hi int) float64 { return float64(hi-lo) * float64(lo+hi) / n }},
	} {
		for _, workers := range []int{2, 3, 8, 64, 256} {
			b := Cut(n, 1, workers)
			busy := make([]float64, workers) // until
			for i := range b.Count {
				first := 0
				for w := range busy {
					if busy[w] < busy[first] {
						first = w
					}
				}
				took := tt.cost(b.At(i))
				if first == 0 {
					took /= tt.slow
				}
				busy[first] += took
			}
			end := 0.0
			for _, t := range busy {
				end = max(end, t)
			}
			best := n / (float64(workers-1) + tt.slow)
			t.Logf("%s, %d workers, %d blocks: %.4f of the best", tt.name, workers, b.Count, end/best)
			require.Less(t, end, 1.001*best, "%s, %d workers", tt.name, workers)
		}
	}
}
