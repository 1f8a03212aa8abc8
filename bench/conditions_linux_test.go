package bench

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/bench/stat"
)

// What a process takes that is not measured makes a row too busy; what the measured ones take does not count.
func TestOthersAreSeen(t *testing.T) {
	loop := exec.Command("sh", "-c", "while :; do :; done")
	require.NoError(t, loop.Start())
	defer loop.Wait()
	defer loop.Process.Kill()
	without, with := taking([]int{os.Getpid()}), taking([]int{os.Getpid(), loop.Process.Pid})
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		x, y := without(), with()
		if x.others != nil && *x.others > 0.05 && *y.others < *x.others {
			require.NotEmpty(t, stat.Load{Others: *x.others}.TooBusy())
			require.GreaterOrEqual(t, *x.stolen, 0.0)
			return
		}
		require.True(t, time.Now().Before(end), "a busy loop is not seen: %v", x)
	}
}

// A sample begins with handoffs for the time that the kernel takes to place two processes.
func TestLead(t *testing.T) {
	for one, want := range map[time.Duration]int{0: 40_000, time.Microsecond: 4000, 3 * time.Millisecond: 1, leadTime: 1, leadTime + 1: 0, time.Hour: 0} {
		require.Equal(t, want, (&sampler{one: one}).lead(), "%v", one)
		require.GreaterOrEqual(t, sampleTakes(one), max(one, sampleTime))
		require.LessOrEqual(t, sampleTakes(one), max(one, sampleTime)+leadTime)
	}
}
