package codec

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Sizes beyond 32 bits are measured, and sums that no machine has are an error. The slice is
// never read, and not of the heap, which the race detector would shadow.
func TestHugeSlice(t *testing.T) {
	huge, err := unix.Mmap(-1, 0, 5<<30, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	require.NoError(t, err)
	defer unix.Munmap(huge)
	large, err := Measure(argumentPlan[[]byte](t), &huge)
	require.NoError(t, err)
	require.EqualValues(t, 64+5<<30, large.Bytes())
	require.Error(t, large.Write(make([]byte, 100), nil))
	same := make([][]byte, 1<<20) // 5 PiB in all
	for i := range same {
		same[i] = huge
	}
	_, _, err = Encode(argumentPlan[[][]byte](t), nil, &same, nil)
	require.ErrorIs(t, err, ErrTooLarge)
}
