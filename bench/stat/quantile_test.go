package stat

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQuantile(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{3}, 0.5, 3},
		{[]float64{3}, 1, 3},
		{[]float64{4, 1, 3}, 0.5, 3},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{4, 1, 3, 2}, 0, 1},
		{[]float64{4, 1, 3, 2}, 1, 4},
		{[]float64{4, 1, 3, 2}, 0.25, 1.75},
		{[]float64{1, 2, 3, 4, 5}, 0.75, 4},
	} {
		require.InDelta(t, tt.want, Quantile(tt.values, tt.q), 1e-12, "%v of %v", tt.q, tt.values)
	}
	require.True(t, math.IsNaN(Quantile(nil, 0.5)))
	values := []float64{2, 1}
	Quantile(values, 0.5)
	require.Equal(t, []float64{2, 1}, values, "the caller's values were sorted")
	require.Equal(t, 2.0, Median([]float64{3, 1, 2}))
}

func TestRepeat(t *testing.T) {
	took := []time.Duration{5, 1, 3}
	f := func() (time.Duration, error) {
		d := took[0]
		took = took[1:]
		return d, nil
	}
	ns, err := Repeat(3, f)
	require.NoError(t, err)
	require.Equal(t, 3.0, ns)
	took = []time.Duration{7}
	ns, err = Repeat(0, f)
	require.NoError(t, err)
	require.Equal(t, 7.0, ns)
	broken := errors.New("broken")
	_, err = Repeat(3, func() (time.Duration, error) { return 1, broken })
	require.ErrorIs(t, err, broken)
}
