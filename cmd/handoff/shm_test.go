package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
	"example.com/handoff/shm/shmtest"
)

// The verbs on the segments of a run that lives, and then does not.
func TestShm(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	stdout, _, code := handoff(t, "shm", "ls")
	require.Zero(t, code)
	require.Equal(t, "no segments of handoff in /dev/shm\n", stdout)

	_, cmd := startHold(t, 3)
	pid := strconv.Itoa(cmd.Process.Pid)

	stdout, stderr, code := handoff(t, "shm", "ls", "--json", "-")
	require.Zero(t, code, stderr)
	var list struct{ Runs []shm.RunInfo }
	require.NoError(t, json.Unmarshal([]byte(stdout), &list))
	require.Len(t, list.Runs, 1)
	require.Equal(t, shm.Alive, list.Runs[0].State)
	segments := list.Runs[0].Segments
	require.Len(t, segments, 3)
	first, second := segments[0].Name, segments[1].Name
	require.True(t, strings.HasSuffix(first, "-1"), segments)

	stdout, stderr, code = handoff(t, "shm", "stat", first)
	require.Zero(t, code, stderr)
	for _, want := range []string{first, "4096 bytes", "state      alive", "since      2", "run by     " + pid, "mapped by  " + pid} {
		require.Contains(t, stdout, want)
	}
	stdout, stderr, code = handoff(t, "shm", "rm", first)
	require.Equal(t, 1, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "--force")
	requireShort(t, stderr)
	require.FileExists(t, "/dev/shm/"+first)
	stdout, stderr, code = handoff(t, "shm", "rm", "--force", first)
	require.Zero(t, code, stderr)
	require.Equal(t, "removed "+first+"\n", stdout)
	require.NoFileExists(t, "/dev/shm/"+first)

	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	stdout, stderr, code = handoff(t, "shm", "rm", first, "../etc/passwd", "nonsense", second)
	require.Equal(t, 1, code)
	require.Equal(t, "removed "+second+"\n", stdout)
	require.Contains(t, stderr, first)
	requireShort(t, stderr)
	require.NoFileExists(t, "/dev/shm/"+second)
	_, stderr, code = handoff(t, "shm", "stat", second)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "no such file")

	stdout, _, code = handoff(t, "shm", "ls")
	require.Zero(t, code)
	require.Contains(t, stdout, "orphan")
	stdout, stderr, code = handoff(t, "shm", "gc")
	require.Zero(t, code, stderr)
	require.True(t, strings.HasPrefix(stdout, "removed 1 segments (12.0 KiB)"), stdout)
	left, err := filepath.Glob("/dev/shm/*")
	require.NoError(t, err)
	require.Empty(t, left)

	// A segment without a lock file is nobody's provably: it stays, and is said to.
	require.NoError(t, os.WriteFile("/dev/shm/"+second, make([]byte, 4096), 0o600))
	stdout, stderr, code = handoff(t, "shm", "gc")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "1 left whose run has no lock file")
	require.FileExists(t, "/dev/shm/"+second)
	_, stderr, code = handoff(t, "shm", "rm", second)
	require.Zero(t, code, stderr)
}
