package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm/shmtest"
)

// workersOf waits until a command has worker processes and returns them.
func workersOf(t *testing.T, pid, n int) (pids []int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		pids = pids[:0]
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		for _, l := range lists {
			b, _ := os.ReadFile(l)
			for _, f := range strings.Fields(string(b)) {
				p, _ := strconv.Atoi(f)
				pids = append(pids, p)
			}
		}
		if len(pids) >= n {
			return pids
		}
	}
	t.Fatalf("process %d has workers %v, expected %d", pid, pids, n)
	return nil
}

// busyWorkerOf waits until a worker has mapped an input, and returns it.
func busyWorkerOf(t *testing.T, pid int) int {
	t.Helper()
	for {
		for _, w := range workersOf(t, pid, 1) {
			maps, _ := os.ReadFile(fmt.Sprintf("/proc/%d/maps", w))
			if strings.Contains(string(maps), "/dev/shm/handoff-") {
				return w
			}
		}
	}
}

// filesOf are the files of the runs whose holder is pid.
func filesOf(t *testing.T, pid int) []string {
	t.Helper()
	var found []string
	locks, _ := filepath.Glob("/dev/shm/handoff-*.lock")
	for _, lock := range locks {
		b, _ := os.ReadFile(lock)
		if strings.HasPrefix(string(b), strconv.Itoa(pid)+" ") {
			all, _ := filepath.Glob(strings.TrimSuffix(lock, ".lock") + "*")
			found = append(found, all...)
		}
	}
	return found
}

func TestWorkerKilledDuringRun(t *testing.T) {
	in, gate := numbers(t, 300), write(t, "gate", "")
	out, sum := filepath.Join(t.TempDir(), "out.csv"), filepath.Join(t.TempDir(), "sum.json")
	cmd, errs := begin(t, "run", in, "--op", "test-fussy:file="+gate, "--workers", "2", "--chunk-rows", "10", "--retries", "20", "--out", out, "--json", sum)
	for range 3 {
		pid := busyWorkerOf(t, cmd.Process.Pid)
		require.NoError(t, unix.Kill(pid, unix.SIGKILL))
		for !dead(pid) {
			time.Sleep(time.Millisecond)
		}
	}
	require.NoError(t, os.Remove(gate))
	require.NoError(t, cmd.Wait(), errs.String())
	require.Equal(t, readFile(t, in), readFile(t, out))
	b, err := os.ReadFile(sum)
	require.NoError(t, err)
	require.Contains(t, string(b), `"signal": `, "no worker died: the test tests nothing")
	require.Empty(t, filesOf(t, cmd.Process.Pid))
}

func TestSupervisorKilledDuringRun(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	d := t.TempDir()
	cmd, _ := begin(t, gated(t, "--workers", "2", "--out", filepath.Join(d, "out.csv"))...)
	workers := workersOf(t, cmd.Process.Pid, 2)
	for len(filesOf(t, cmd.Process.Pid)) < 2 { // an arena is in use
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	end := time.Now().Add(2 * time.Second) // the promised bound
	for _, pid := range workers {
		for unix.Kill(pid, 0) == nil && !zombie(pid) {
			require.True(t, time.Now().Before(end), "worker %d lives 2 s after its supervisor", pid)
			time.Sleep(5 * time.Millisecond)
		}
	}
	beside, _ := os.ReadDir(d)
	require.Empty(t, beside, "a temporary file is left")
	left := filesOf(t, cmd.Process.Pid)
	require.NotEmpty(t, left, "nothing to remove: the test tests nothing")
	stdout, _, code := handoff(t, "shm", "ls")
	require.Zero(t, code)
	for _, line := range strings.Split(stdout, "\n") {
		if strings.Contains(line, filepath.Base(left[0])) {
			require.Contains(t, line, "orphan")
		}
	}
	require.Contains(t, stdout, strconv.Itoa(cmd.Process.Pid))
	_, _, code = handoff(t, "shm", "gc")
	require.Zero(t, code)
	require.Empty(t, filesOf(t, cmd.Process.Pid))
}

func zombie(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Contains(string(b), ") Z ")
}

func TestInterrupted(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		d := t.TempDir()
		cmd, errs := begin(t, gated(t, "--workers", "2", "--out", filepath.Join(d, "out.csv"))...)
		busyWorkerOf(t, cmd.Process.Pid)
		require.NoError(t, cmd.Process.Signal(sig))
		cmd.Wait()
		require.Equal(t, 128+int(sig), cmd.ProcessState.ExitCode(), errs.String())
		requireShort(t, errs.String())
		left, _ := os.ReadDir(d)
		require.Empty(t, left)
		require.Empty(t, filesOf(t, cmd.Process.Pid))
	}
}

// gated is the command line of a job that does not end.
func gated(t *testing.T, more ...string) []string {
	t.Helper()
	return append([]string{"run", numbers(t, 30), "--op", "test-fussy:file=" + write(t, "gate", "")}, more...)
}

// A signal that was ignored when the command began stays so.
func TestIgnoredSignal(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	gate := write(t, "gate", "")
	cmd := exec.Command("sh", "-c", `trap '' HUP; exec "$0" "$@"`, exe, "run", numbers(t, 30), "--op", "test-fussy:file="+gate, "--quiet", "--out", filepath.Join(t.TempDir(), "out.csv"))
	cmd.Env = append(os.Environ(), "HANDOFF_TEST_COMMAND=1")
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { kill(cmd) })
	busyWorkerOf(t, cmd.Process.Pid)
	require.NoError(t, cmd.Process.Signal(unix.SIGHUP))
	require.NoError(t, os.Remove(gate))
	require.NoError(t, cmd.Wait())
}

// A /dev/shm that is too small is said so: asked, free, what to do.
func TestSharedMemoryTooSmall(t *testing.T) {
	if !shmtest.Private(t, "size=1m") {
		return
	}
	in := bigCSV(t, 60000)
	for _, args := range []string{"run " + in + " --op describe", "bench --sizes 16MiB --strategies shm-copy"} {
		stdout, stderr, code := handoff(t, strings.Fields(args)...)
		require.Equal(t, 1, code, stderr)
		require.Empty(t, stdout)
		for _, want := range []string{"asked for", "free in /dev/shm", "no space left on device", "--shm-size"} {
			require.Contains(t, stderr, want)
		}
		requireShort(t, stderr)
		left, err := os.ReadDir("/dev/shm")
		require.NoError(t, err)
		require.Empty(t, left)
	}
}
