package hook

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// None of the calls that wait is dropped, and their order stays, also where a hook ends
// its goroutine.
func TestHooksKeepAll(t *testing.T) {
	const n = 10_000
	hold, heard := make(chan struct{}), []int{}
	var h Calls[int]
	h.Open("a hook", func(i int) {
		<-hold
		if heard = append(heard, i); i%100 == 0 {
			runtime.Goexit()
		}
	})
	for i := range n {
		h.Emit(i)
	}
	require.Equal(t, n, h.Unreturned())
	require.ErrorContains(t, Wait(t.Context(), time.Millisecond, &h.State), "a hook has not returned for 1ms, and 9999 calls wait behind it")
	close(hold)
	require.NoError(t, Wait(t.Context(), time.Minute, &h.State))
	require.Len(t, heard, n)
	require.IsIncreasing(t, heard)
	h.Emit(n)
	require.NoError(t, Wait(t.Context(), time.Minute, &h.State))
	require.Equal(t, n, heard[n])
}
