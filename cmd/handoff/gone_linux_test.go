package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// noReader is a pipe whose reader has left.
func noReader(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, r.Close())
	t.Cleanup(func() { w.Close() })
	return w
}

// A standard error that goes away while a job runs ends nothing.
func TestStandardErrorGoesAway(t *testing.T) {
	in, out := numbers(t, 300), filepath.Join(t.TempDir(), "out.csv")
	gate := write(t, "gate", "")
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd := command("run", in, "--op", "test-fussy:wait=101,file="+gate, "--chunk-rows", "10", "--workers", "1", "--out", out, "--metrics", "127.0.0.1:0")
	cmd.Stderr = w
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { kill(cmd) })
	require.NoError(t, w.Close())
	_, err = r.Read(make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, os.Remove(gate))
	require.NoError(t, cmd.Wait())
	require.Equal(t, readFile(t, in), readFile(t, out))
	require.Empty(t, filesOf(t, cmd.Process.Pid))
}

// No verb minds a standard error without a reader, and each fails where standard output
// has none, and leaves nothing.
func TestStreamsWithoutReader(t *testing.T) {
	in := bigCSV(t, 3000)
	for line, code := range map[string]int{
		"run IN --op describe --workers 1":                  0,
		"run IN --op nosuch":                                2,
		"run IN.none --op describe":                         1,
		"bench --sizes 64B --strategies pipe-raw --count 5": 0,
		"tune --rounds 6 --max-width 2 -- run IN --op describe --workers 1 --isolation goroutine": 0,
		"classify --costs none --repeat 1 -- sleep 0.1":                                           0,
		"shm ls": 0,
		"--help": 0,
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			d := t.TempDir()
			var text bytes.Buffer
			cmd := command(strings.Fields(strings.ReplaceAll(line, "IN", in))...)
			cmd.Env = append(cmd.Env, "TMPDIR="+d)
			cmd.Stderr, cmd.Stdout = noReader(t), &text
			cmd.Run()
			require.Equal(t, code, cmd.ProcessState.ExitCode())
			require.Equal(t, code == 0, text.Len() > 0)

			text.Reset()
			cmd = command(strings.Fields(strings.ReplaceAll(line, "IN", in))...)
			cmd.Env = append(cmd.Env, "TMPDIR="+d)
			cmd.Stderr, cmd.Stdout = &text, noReader(t)
			cmd.Run()
			require.Equal(t, max(code, 1), cmd.ProcessState.ExitCode())
			require.Equal(t, code == 0, strings.Contains(text.String(), "broken pipe"), text.String())
			require.Empty(t, filesOf(t, cmd.Process.Pid))
			left, err := os.ReadDir(d)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}
