package arrowipc

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

func TestMain(m *testing.M) {
	pool.Main()
	goleak.VerifyTestMain(m)
}

// newAllocator makes an allocator that is held to have everything back, and its
// run to leave nothing, at the end of the test.
func newAllocator(t testing.TB, maxBytes int64) (*Allocator, *shm.Arena) {
	t.Helper()
	run, err := shm.NewRun()
	require.NoError(t, err)
	arena := run.NewArena(&shm.ArenaOptions{SegmentBytes: 1 << 20, MaxBytes: maxBytes})
	a := NewAllocator(arena)
	t.Cleanup(func() {
		require.Zero(t, a.Live(), "blocks not given back")
		require.Zero(t, arena.Stats().Live)
		require.NoError(t, run.Close())
		files, err := os.ReadDir("/dev/shm")
		require.NoError(t, err)
		for _, f := range files {
			require.False(t, strings.Contains(f.Name(), run.ID()), f.Name())
		}
	})
	return a, arena
}
