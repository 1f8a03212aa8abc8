package stat

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTooBusy(t *testing.T) {
	quiet := Range{100, 400}
	for want, l := range map[string]Load{
		"": {Canary: 200, CanaryRange: quiet, Others: 0.05, Stolen: 0.05},
		"the canary took 401 ns, expected 100 ns to 400 ns":                                          {Canary: 401, CanaryRange: quiet},
		"the canary took 50.0 ns, expected 100 ns to 400 ns":                                         {Canary: 50, CanaryRange: quiet},
		"other processes took 5.10 % of the time":                                                    {Others: 0.051, Canary: 100, CanaryRange: quiet},
		"the hypervisor took 12.5 % of the time":                                                     {Stolen: 0.125},
		"the canary took 1.00 ms, expected 100 ns to 400 ns; the hypervisor took 6.00 % of the time": {Canary: 1e6, CanaryRange: quiet, Stolen: 0.06},
	} {
		require.Equal(t, want, l.TooBusy())
	}
	require.Empty(t, Load{Canary: 5}.TooBusy(), "without a range nothing is out of it")
	require.Empty(t, Load{}.TooBusy())
}

// A few round trips that were disturbed don't widen the range.
func TestCanaryRange(t *testing.T) {
	require.Equal(t, Range{100, 400}, CanaryRange([]float64{200, 210, 200, 190, 1e6, 5000, 200, 200}))
	require.Zero(t, CanaryRange(nil))
}
