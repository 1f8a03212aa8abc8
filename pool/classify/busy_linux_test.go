package classify

import (
	"context"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// makeBusy keeps every core busy twice over, until the test ends.
func makeBusy(t *testing.T) {
	t.Helper()
	for range 2 * runtime.NumCPU() {
		cmd := exec.Command("sh", "-c", "while :; do :; done")
		require.NoError(t, cmd.Start())
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
	}
}

// What computes is said to compute also where it gets a third of a core.
func TestOnABusyMachine(t *testing.T) {
	needsLinux(t)
	makeBusy(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	const loop = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"
	command := func(argv ...string) (Verdict, error) {
		return Command(t.Context(), argv, &Options{Repeats: 1})
	}
	for _, tt := range []struct {
		name string
		run  func() (Verdict, error)
		want Workload
	}{
		{"function", func() (Verdict, error) {
			return Func(t.Context(), func(context.Context) error { spin(20 * time.Millisecond); return nil }, nil)
		}, WorkloadCPU},
		{"function that sleeps", func() (Verdict, error) {
			return Func(t.Context(), func(context.Context) error { time.Sleep(20 * time.Millisecond); return nil }, nil)
		}, WorkloadIO},
		{"command", func() (Verdict, error) { return command("sh", "-c", loop) }, WorkloadCPU},
		{"command whose child computes", func() (Verdict, error) { return command("sh", "-c", "("+loop+"); exit 0") }, WorkloadCPU},
		{"command that sleeps", func() (Verdict, error) { return command("sleep", "0.2") }, WorkloadIO},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c Verdict
			for range 8 { // a hypervisor that takes the cores away is seen by nobody
				var err error
				c, err = tt.run()
				require.NoError(t, err)
				if c.Workload == tt.want && c.CPUWait > 0 {
					return
				}
			}
			t.Errorf("got %s, want %s: %s", c.Workload, tt.want, c.Reason)
		})
	}
}

// A child that computes counts, also if its parent has ended, and if the command does
// not wait for it.
func TestCommandWaitsForNoChild(t *testing.T) {
	needsLinux(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	const endless = "while :; do :; done"
	for name, script := range map[string]string{
		"left behind": endless + " & sleep 0.3",
		"orphan":      "(" + endless + " & exit 0); sleep 0.3",
	} {
		t.Run(name, func(t *testing.T) {
			var c Verdict
			for range 8 {
				var err error
				c, err = Command(t.Context(), []string{"sh", "-c", script}, &Options{Repeats: 1})
				require.NoError(t, err)
				if c.Workload == WorkloadCPU && c.OrphanCPU > 0 {
					require.Contains(t, c.WorkloadReason, "of processes whose parent had ended without waiting for them")
					return
				}
			}
			t.Errorf("got %s with %v of orphans: %s", c.Workload, c.OrphanCPU, c.Reason)
		})
	}
}
