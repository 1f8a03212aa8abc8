package cores

import (
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLoad(t *testing.T) {
	pid := os.Getpid()
	before, err := LoadOf(pid)
	require.NoError(t, err)
	page := make([]byte, 64*os.Getpagesize())
	for i := 0; i < len(page); i += os.Getpagesize() {
		page[i] = 1
	}
	runtime.KeepAlive(page)
	for d := (Load{}); d.CPU < 1e6; { // the test's watchdog bounds it
		now, err := LoadOf(pid)
		require.NoError(t, err)
		d = now.Sub(before)
		require.GreaterOrEqual(t, d.CPU, int64(0))
		require.GreaterOrEqual(t, d.Faults, int64(0))
	}
	now, err := LoadOf(pid)
	require.NoError(t, err)
	d := now.Sub(before)
	require.Positive(t, d.CPU)
	all, err := Usable()
	require.NoError(t, err)
	require.Contains(t, all, d.Core(pid))
	_, err = LoadOf(1 << 30)
	require.Error(t, err)
	require.Equal(t, -1, (Load{}).Core(1<<30))

	u, err := UsageOfCores()
	require.NoError(t, err)
	require.Positive(t, u.Busy)
	require.LessOrEqual(t, u.Busy+u.Stolen, u.All)
}

func TestApart(t *testing.T) {
	require.Equal(t, SameCore, Apart(0, 0))
	require.Empty(t, Apart(-1, 0))
	require.Empty(t, Apart(1<<20, 0))
	for list, has := range map[string]bool{"0-3,8\n": true, "3\n": true, "2": false, "": false, "0-1,4-7": false, "x-4": false} {
		require.Equal(t, has, inList(list, 3), "%q", list)
	}
}

func BenchmarkLoadOf(b *testing.B) {
	for b.Loop() {
		if _, err := LoadOf(os.Getpid()); err != nil {
			b.Fatal(err)
		}
	}
}
