package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// shell runs the command as "$0" "$@" within a script.
func shell(t *testing.T, script string, args ...string) (output string, code int) {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command("sh", append([]string{"-c", script, exe}, args...)...)
	cmd.Env = append(os.Environ(), "HANDOFF_TEST_COMMAND=1")
	b, err := cmd.CombinedOutput()
	if _, ok := err.(*exec.ExitError); !ok {
		require.NoError(t, err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// What cannot be written to standard output is not lost with exit 0.
func TestClosedStandardOutput(t *testing.T) {
	in := write(t, "in.csv", "x\n1\n2\n")
	for _, line := range []string{
		"run " + in + " --op describe --quiet", "run " + in + " --op describe --quiet --out /dev/null --json -",
		"shm ls", "shm ls --json -", "shm gc", "doctor", "doctor --json -", "--version", "--help", "help run",
	} {
		t.Run(line, func(t *testing.T) {
			args := strings.Fields(line)
			out, code := shell(t, `exec "$0" "$@" >&-`, args...)
			require.Equal(t, 1, code, out)
			require.Contains(t, out, "standard output is closed")
			out, code = shell(t, `exec "$0" "$@" >/dev/null`, args...)
			require.Zero(t, code, out)
		})
	}
	file := filepath.Join(t.TempDir(), "out.json")
	out, code := shell(t, `exec "$0" "$@" >&-`, "run", in, "--op", "describe", "--quiet", "--out", file)
	require.Zero(t, code, out) // nothing was to go there
	require.FileExists(t, file)
}

// What daemon(3) makes of a program's descriptors is no closed output.
func TestStandardOutputOfADaemon(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	require.NoError(t, err)
	defer null.Close()
	cmd := command("--version")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = null, null, null
	require.NoError(t, cmd.Run())
	cmd = command("--version")
	cmd.Stdout = null
	require.Error(t, cmd.Run())
	flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, null.Fd(), syscall.F_GETFL, 0)
	require.Zero(t, errno)
	require.Zero(t, flags&syscall.O_APPEND)
}
