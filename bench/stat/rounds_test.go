package stat

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRounds(t *testing.T) {
	for _, tt := range []struct{ n, atLeast, want int }{
		{0, 0, 6}, {1, 0, 6}, {2, 0, 6}, {3, 0, 6}, {4, 0, 8}, {5, 0, 10}, {6, 0, 12}, {7, 0, 14}, {11, 0, 22}, {4, 9, 12}, {11, 23, 33}, {2, 7, 8},
	} {
		require.Equal(t, tt.want, Rounds(tt.n, tt.atLeast), "%d ways, at least %d", tt.n, tt.atLeast)
	}
}

// Each way is in each position once, and for an even number of ways follows each other one once.
func TestLatin(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	require.Empty(t, Latin(0, random))
	for n := 1; n <= 12; n++ {
		firsts := map[int]bool{}
		for range 20 {
			block := Latin(n, random)
			require.Len(t, block, n)
			at, after := map[[2]int]int{}, map[[2]int]int{}
			for _, round := range block {
				require.Len(t, round, n)
				for position, way := range round {
					at[[2]int{position, way}]++
					if position > 0 {
						after[[2]int{round[position-1], way}]++
					}
				}
			}
			require.Len(t, at, n*n, "n = %d: every way in every position", n)
			for _, times := range at {
				require.Equal(t, 1, times)
			}
			if n%2 == 0 {
				require.Len(t, after, n*(n-1), "n = %d: every way after every other one", n)
			}
			firsts[block[0][0]] = true
		}
		require.True(t, n == 1 || len(firsts) > 1, "n = %d: the order is drawn afresh", n)
	}
}

// For an odd number of ways, each follows each other one equally often in the long run.
func TestLatinOdd(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	after := map[[2]int]int{}
	const blocks = 2000
	for range blocks {
		for _, round := range Latin(3, random) {
			after[[2]int{round[0], round[1]}]++
			after[[2]int{round[1], round[2]}]++
		}
	}
	for pair, times := range after {
		require.InDelta(t, blocks, times, blocks/10, "%v", pair)
	}
}

func TestIterations(t *testing.T) {
	for _, tt := range []struct {
		one, sample time.Duration
		want        int
	}{
		{time.Microsecond, 2 * time.Millisecond, 2000},
		{3 * time.Millisecond, 2 * time.Millisecond, 1},
		{0, 2 * time.Second, 1 << 20},
		{-1, time.Millisecond, 1e6},
		{time.Microsecond, 0, 1},
	} {
		require.Equal(t, tt.want, Iterations(tt.one, tt.sample), "%v in %v", tt.one, tt.sample)
	}
}
