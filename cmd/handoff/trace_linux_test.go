package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A trace from outside: while arrays of 64 MiB that are resident are handed
// over, nobody writes or sends anything large.
func TestNothingLargeIsSent(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace")
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	largest := func(strategy string) int {
		trace := filepath.Join(t.TempDir(), "trace")
		cmd := exec.Command(strace, "-f", "-e", "trace=write,writev,sendto,sendmsg,pwrite64", "-o", trace,
			exe, "bench", "--sizes", "64MiB", "--strategies", strategy, "--count", "3", "--quiet")
		cmd.Env = append(os.Environ(), "HANDOFF_TEST_COMMAND=1")
		out, err := cmd.CombinedOutput()
		if err != nil && strings.Contains(string(out), "ptrace") {
			t.Skipf("strace may not trace here: %s", out)
		}
		require.NoError(t, err, string(out))
		b, err := os.ReadFile(trace)
		require.NoError(t, err)
		most := 0
		for _, m := range regexp.MustCompile(`(?m)= (\d+)$`).FindAllStringSubmatch(string(b), -1) {
			n, err := strconv.Atoi(m[1])
			require.NoError(t, err)
			most = max(most, n)
		}
		require.Positive(t, most, "nothing was traced")
		return most
	}
	require.LessOrEqual(t, largest("shm-resident"), 64<<10)
	require.LessOrEqual(t, largest("shm-copy"), 64<<10)
	require.Greater(t, largest("unix-raw"), 64<<10, "the trace does not see what is sent: the test tests nothing")
}
