package batch_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
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
	exe, err := os.Executable()
	require.NoError(t, err)
	most, stride := 40, 5
	if soak() {
		most, stride = 200, 1
	}
	for _, call := range []string{"pwrite64", "fdatasync", "renameat", "unlinkat", "fsync"} {
		kills := 0
		for k := 1; k < most; k += stride {
			tr := newTrial(t, "zscore", "z.csv", 600)
			b, err := json.Marshal(tr)
			require.NoError(t, err)
			cmd := exec.Command(strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, k), exe)
			cmd.Env = append(os.Environ(), trialKey+"="+string(b))
			var errs bytes.Buffer
			cmd.Stderr = &errs
			err = cmd.Run()
			if err == nil {
				break
			}
			if strings.Contains(errs.String(), "PTRACE") {
				t.Skipf("not in CI: strace may not trace here: %s", errs.String())
			}
			require.Equal(t, syscall.SIGKILL, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(), "%v %s", err, errs.String())
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
