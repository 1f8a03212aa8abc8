package stat

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPercentilesOf(t *testing.T) {
	singles := make([]int64, 1001)
	for i := range singles {
		singles[i] = int64(1000 - i)
	}
	p := PercentilesOf(singles)
	require.Equal(t, []float64{500, 900, 990}, []float64{*p.P50, *p.P90, *p.P99})
	for _, tt := range []struct {
		n        int
		p90, p99 bool
	}{{1, false, false}, {99, false, false}, {100, true, false}, {999, true, false}, {1000, true, true}} {
		p = PercentilesOf(singles[:tt.n])
		require.NotNil(t, p.P50)
		require.Equal(t, []bool{tt.p90, tt.p99}, []bool{p.P90 != nil, p.P99 != nil}, "of %d", tt.n)
	}
	require.Equal(t, Percentiles{}, PercentilesOf([]float64(nil)))
}
