package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/handoff/pool"
)

func TestMain(m *testing.M) {
	pool.Main()
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // for the workers
	goleak.VerifyTestMain(m)
}

// Bad pages are errors of a type, after two attempts each; the others are decoded.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out))
	require.Regexp(t, `^page 3: worker \d+ died in attempt 2, class fatal, exit status 2
page 8: worker \d+ died in attempt 2, class fatal, exit status 2
10 of 12 pages decoded; 4 workers were replaced; \S+
$`, out.String())
	children, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	for _, name := range children {
		pids, _ := os.ReadFile(name)
		require.Empty(t, pids, "workers are left")
	}
}
