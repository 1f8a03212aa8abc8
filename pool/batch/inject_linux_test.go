package batch_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The kernel's own view of TestKilledAtEveryStep: the supervisor is killed at the k-th
// write, sync or rename that it asks for, of the thread that does all of them.
func TestKilledAtSystemCall(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("not in CI: strace is not installed")
	}
	whole := newTrial(t, "zscore", "z.csv", 600)
	whole.start(t)
	want := whole.output(t)
	most, stride := 40, 5
	if soak() {
		most, stride = 200, 1
	}
	for _, call := range []string{"pwrite64", "fdatasync", "renameat", "unlinkat", "fsync"} {
		kills := 0
		for k := 1; k < most; k += stride {
			tr := newTrial(t, "zscore", "z.csv", 600)
			if !tr.killedAt(t, strace, call, k) {
				break
			}
			kills++
			committed := tr.committed(t)
			tr.Resume = true
			s, killed := tr.start(t)
			require.False(t, killed)
			require.Equal(t, want, tr.output(t), "%s %d", call, k)
			if s.Attempts > 0 {
				require.EqualValues(t, len(committed), s.ChunksReused)
			}
			tr.nothingLeft(t)
		}
		t.Logf("%s: %d kills", call, kills)
		require.Positive(t, kills, call)
	}
}

// killedAt runs the job in a process that is killed at its k-th call of a kind. false:
// it came to its end.
func (tr trial) killedAt(t *testing.T, strace, call string, k int) bool {
	t.Helper()
	b, err := json.Marshal(tr)
	require.NoError(t, err)
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, k), exe)
	cmd.Env = append(os.Environ(), trialKey+"="+string(b))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err = cmd.Run(); err == nil {
		return false
	}
	if strings.Contains(errs.String(), "PTRACE") {
		t.Skipf("not in CI: strace may not trace here: %s", errs.String())
	}
	require.Equal(t, syscall.SIGKILL, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(), "%v %s", err, errs.String())
	return true
}

// Without a state folder a kill leaves the old output or the new one, and what it
// leaves beside it is gone after the next run.
func TestKilledWithoutState(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("not in CI: strace is not installed")
	}
	hidden := false
	for _, call := range []string{"pwrite64", "fsync", "linkat", "renameat"} {
		kills := 0
		for k := 1; k < 4; k++ {
			tr := newTrial(t, "zscore", "z.csv", 600)
			tr.Bare = true
			require.NoError(t, os.WriteFile(tr.job().Out, []byte("old"), 0o600))
			if !tr.killedAt(t, strace, call, k) {
				break
			}
			kills++
			if tr.output(t) != "old" {
				require.Equal(t, 601, strings.Count(tr.output(t), "\n"))
			}
			left, err := filepath.Glob(filepath.Join(tr.Dir, ".z.csv.handoff-*"))
			require.NoError(t, err)
			hidden = hidden || len(left) > 0
			_, killed := tr.start(t)
			require.False(t, killed)
			require.Equal(t, 601, strings.Count(tr.output(t), "\n"))
			tr.nothingLeft(t)
		}
		require.Positive(t, kills, call)
	}
	require.True(t, hidden, "no kill has left a hidden file")
}
