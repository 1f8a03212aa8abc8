//go:build handoff_assert || race

package shm

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// faults reports whether f touches memory that it must not.
func faults(f func()) (fault bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		_, fault = recover().(interface{ Addr() uintptr })
	}()
	f()
	return
}

func TestUseAfterReleaseFaults(t *testing.T) {
	a := newRun(t).NewArena(nil)
	first, err := Make[float64](a, 10) // what follows begins within a page
	require.NoError(t, err)
	x, err := Make[float64](a, 10000)
	require.NoError(t, err)
	y, err := Make[float64](a, 10000)
	require.NoError(t, err)
	old := x.Data()
	require.False(t, faults(func() { old[99] = 1 }))
	pin, err := x.Pin()
	require.NoError(t, err)
	x.Release()
	require.False(t, faults(func() { old[99]++ }), "a pin keeps the bytes")
	pin.Release()
	sink := 0.0
	require.True(t, faults(func() { sink = old[600] }), "read")
	require.True(t, faults(func() { old[5000] = sink }), "write")
	require.False(t, faults(func() { y.Data()[0] = 1; first.Data()[9] = 1 }), "the neighbours")
	require.NotEqual(t, 1.0, old[99], "a page that it shares shows nonsense")

	z, err := Make[float64](a, 10000) // the block again
	require.NoError(t, err)
	require.Equal(t, x.Ref().Offset, z.Ref().Offset)
	require.False(t, faults(func() { sink = z.Data()[600] }))
	require.Zero(t, sink)
	stale := z.Data()
	z.Release()
	stale[1] = 5 // on a page that it shares
	require.PanicsWithValue(t, fmt.Sprintf("shm: segment %q: something in bytes %d to %d was written after its array was released",
		a.slabs[0].seg.Name(), x.Ref().Offset, x.Ref().Offset+sizeClass(80000)), func() { Make[float64](a, 10000) })
	y.Release()
	first.Release()
}

func TestLeakIsReported(t *testing.T) {
	a := newRun(t).NewArena(nil)
	reports := make(chan string, 10)
	defer func(old func(string)) { reportLeak = old }(reportLeak)
	reportLeak = func(text string) { reports <- text }

	kept := forgetArray(t, a)
	released, err := Make[int64](a, 10)
	require.NoError(t, err)
	released.Release()
	var text string
	for text == "" {
		runtime.GC()
		select {
		case text = <-reports:
		case <-time.After(10 * time.Millisecond):
		}
	}
	require.Contains(t, text, "never released")
	require.Contains(t, text, a.slabs[0].seg.Name())
	require.Contains(t, text, "shm.forgetArray")
	require.Equal(t, 1, strings.Count(text, "never released"))
	require.Equal(t, int64(7), kept[9], "the memory stays under a slice that is still about")
	require.NotZero(t, a.Stats().Live)
	a.Reset() // takes back what is lost too
	require.Zero(t, a.Stats().Live)
	require.NoError(t, a.Close())
	require.Empty(t, reports)
}

//go:noinline
func forgetArray(t *testing.T, a *Arena) []int64 {
	x, err := Make[int64](a, 10)
	require.NoError(t, err)
	x.Data()[9] = 7
	return x.Data()
}
