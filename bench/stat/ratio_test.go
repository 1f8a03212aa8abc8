package stat

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCompare(t *testing.T) {
	a, b := []float64{1, 2, 3, 4, 5, 6}, []float64{2, 4, 6, 8, 10, 12}
	c := Compare(a, b, Tail)
	require.InDeltaSlice(t, []float64{0.5, 0.5, 0.5, 1 - 1.0/32}, []float64{c.Low, c.Mid, c.High, c.Coverage}, 1e-12)
	require.Equal(t, AFaster, c.Verdict)
	require.Equal(t, BFaster, Compare(b, a, Tail).Verdict)
	require.Equal(t, NotSeparated, Compare(a, a, Tail).Verdict)
	few := Compare(a[:5], b[:5], Tail)
	require.Equal(t, Ratio{Interval{0, few.Mid, math.Inf(1), 1}, NotSeparated, 5, 0}, few, "too few rounds")
	none := Compare(nil, nil, Tail)
	require.True(t, math.IsNaN(none.Mid))
	require.Equal(t, NotSeparated, none.Verdict)

	// One round of six that says otherwise is enough for no verdict.
	require.Equal(t, NotSeparated, Compare([]float64{1, 1, 1, 1, 1, 3}, []float64{2, 2, 2, 2, 2, 2}, Tail).Verdict)
	// Exchanged, the ratio is the reciprocal, also of an even number.
	x, y := Compare([]float64{1, 4}, []float64{1, 1}, Tail), Compare([]float64{1, 1}, []float64{1, 4}, Tail)
	require.InDelta(t, 2, x.Mid, 1e-12)
	require.InDelta(t, 0.5, y.Mid, 1e-12)
}

// A round with a time that can't be is counted, and no part of the comparison.
func TestCompareLeavesOut(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	c := Compare([]float64{1, 0, nan, inf, -1, 5, 1e-320}, []float64{1, 1, 1, 1, -1, inf, 1e308}, Tail)
	require.Equal(t, 2, c.Rounds)
	require.Equal(t, 5, c.Unusable)
	require.PanicsWithValue(t, "stat: 1 samples of A and 0 of B, expected one of each in a round", func() { Compare([]float64{1}, nil, Tail) })
}
