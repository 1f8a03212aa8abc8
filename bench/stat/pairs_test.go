package stat

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Pairs begin with either side in turn, and the first pair is not counted.
func TestAlternate(t *testing.T) {
	order, n := "", 0.0
	take := func(name string) Side {
		return func(context.Context) (float64, error) { order += name; n++; return n, nil }
	}
	s, err := Alternate(context.Background(), 3, take("o"), take("t"))
	require.NoError(t, err)
	require.Equal(t, "ot"+"to"+"ot"+"to", order)
	require.Equal(t, Pairs{A: []float64{4, 5, 8}, B: []float64{3, 6, 7}}, s)
}

func TestAlternateStops(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	reason, calls := errors.New("enough"), 0
	_, err := Alternate(ctx, 10, func(context.Context) (float64, error) {
		calls++
		cancel(reason)
		return 1, nil
	}, func(context.Context) (float64, error) { return 1, nil })
	require.ErrorIs(t, err, reason)
	require.Equal(t, 1, calls)

	for _, bad := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		_, err = Alternate(context.Background(), 1, func(context.Context) (float64, error) { return bad, nil },
			func(context.Context) (float64, error) { return 1, nil })
		require.ErrorContains(t, err, "expected a positive number")
	}
}

func TestRatio(t *testing.T) {
	p := Pairs{A: []float64{1, 2, 3, 4, 5}, B: []float64{2, 4, 6, 8, 10}}
	low, mid, high := p.Ratio(0.05)
	require.InDeltaSlice(t, []float64{0.5, 0.5, 0.5}, []float64{low, mid, high}, 1e-12)
	low, mid, high = p.Ratio(0.01) // too few pairs for that
	require.Zero(t, low)
	require.InDelta(t, 0.5, mid, 1e-12)
	require.True(t, math.IsInf(high, 1))
	require.Equal(t, []float64{0.5, 0.5, 0.5, 0.5, 0.5}, p.Ratios())
}
