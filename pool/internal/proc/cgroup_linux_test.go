package proc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCgroupNames(t *testing.T) {
	const run = "00112233445566778899aabb"
	got, ok := cgroupRun(cgroupName(run, 3, 4711))
	require.True(t, ok)
	require.Equal(t, run, got)
	for _, name := range []string{"", "handoff", "handoff-" + run + "-3", "handoff-" + run + "-3-4711-1", "other-" + run + "-3-4711", "handoff-" + run + "-x-4711", "handoff-" + run + "--1", "handoff-0011-3-4711", "handoff-pool-test-0"} {
		_, ok := cgroupRun(name)
		require.False(t, ok, name)
	}
}
