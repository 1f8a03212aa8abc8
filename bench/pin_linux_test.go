package bench

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/bench/internal/cores"
)

func TestPin(t *testing.T) {
	before, err := cores.Usable()
	require.NoError(t, err)
	o := &Options{Sizes: []int64{64}, Strategies: []string{gobReused, shmCopy}, Count: 6, Time: 1, Pin: PinApart}
	r, err := Run(background(), o)
	if len(before) < 2 {
		require.ErrorContains(t, err, "two are needed")
		return
	}
	require.NoError(t, err)
	require.Contains(t, strings.Join(r.Method.Notes, "\n"), "pinned to core")
	for _, x := range r.Results {
		require.NotEqual(t, cores.SameCore, x.Placement, x.Strategy)
	}
	o.Pin = PinTogether
	r, err = Run(background(), o)
	require.NoError(t, err)
	for _, x := range r.Results {
		require.Equal(t, cores.SameCore, x.Placement, x.Strategy)
	}
	after, err := cores.Usable()
	require.NoError(t, err)
	require.Equal(t, before, after)
}
