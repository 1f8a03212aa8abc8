package stat

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// The critical values of the tables that textbooks print.
func TestSignedRankCut(t *testing.T) {
	for _, tt := range []struct {
		n     int
		alpha float64
		want  int
	}{
		{0, 0.05, -1},
		{4, 0.05, -1}, // 1/16 is too much
		{5, 0.05, 0},
		{5, 0.025, -1},
		{6, 0.025, 0},
		{8, 0.025, 3},
		{8, 0.01, 1},
		{10, 0.05, 10},
		{10, 0.025, 8},
		{20, 0.05, 60},
		{20, 0.01, 43},
		{25, 0.025, 89},
		{50, 0.005, 373},
	} {
		require.Equal(t, tt.want, signedRankCut(tt.n, tt.alpha), "n = %d, alpha = %v", tt.n, tt.alpha)
	}
	require.Positive(t, signedRankCut(200, 1e-6))
}

func TestSignedRank(t *testing.T) {
	inf := math.Inf(1)
	for name, tt := range map[string]struct {
		sample         []float64
		alpha          float64
		low, mid, high float64
	}{
		"nothing":           {nil, 0.05, -inf, 0, inf},
		"too small a range": {[]float64{1, 2}, 0.05, -inf, 1.5, inf},
		"all the same":      {[]float64{3, 3, 3, 3, 3}, 0.05, 3, 3, 3},
		"five":              {[]float64{1, 2, 3, 4, 5}, 0.05, 1, 3, 5},
		"an outlier":        {[]float64{1, 2, 3, 4, 500}, 0.05, 1, 3, 500},
		// The depressions of nine patients, before and after (Hollander and Wolfe, example 3.1):
		// their interval of 96.1 % is −0.786 to −0.010, their estimate −0.46.
		"Hollander and Wolfe": {[]float64{-0.952, 0.147, -1.022, -0.430, -0.620, -0.590, -0.490, 0.080, -0.010}, 0.02, -0.786, -0.46, -0.010},
	} {
		t.Run(name, func(t *testing.T) {
			low, mid, high := SignedRank(tt.sample, tt.alpha)
			require.Equal(t, math.IsInf(tt.low, 0), math.IsInf(low, 0))
			if !math.IsInf(tt.low, 0) {
				require.InDeltaSlice(t, []float64{tt.low, tt.high}, []float64{low, high}, 1e-9)
			}
			require.InDelta(t, tt.mid, mid, 1e-9)
		})
	}
}
