package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/bench"
)

// What of it is true, the tests of bench say.
func TestBenchMemory(t *testing.T) {
	stdout, stderr, code := handoff(t, "bench", "--memory", "--sizes", "8MiB", "--quiet", "--json", "-")
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	var r bench.MemoryReport
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	require.Equal(t, int64(8<<20), r.Bytes)
	require.Len(t, r.Results, 6)
	require.Len(t, r.Growth, 2)
	require.Equal(t, "grows", r.Growth[0].Verdict, "%+v", r)

	_, stderr, code = handoff(t, "bench", "--memory", "--json", filepath.Join(t.TempDir(), "no/such/dir"))
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "cannot write the output")
}

// A kept report is shown as it was when it was measured.
func TestBenchFrom(t *testing.T) {
	kept := filepath.Join(t.TempDir(), "kept.json")
	measured, stderr, code := handoff(t, "bench", "--sizes", "64B,4KiB", "--strategies", "gob-reused,shm-copy", "--count", "6", "--quiet", "--json", kept)
	require.Zero(t, code, stderr)
	shown, stderr, code := handoff(t, "bench", "--from", kept)
	require.Zero(t, code, stderr)
	require.Equal(t, measured, shown)
	short, stderr, code := handoff(t, "bench", "--from", kept, "--format", "markdown")
	require.Zero(t, code, stderr)
	require.Contains(t, short, "| `gob-reused` |")
	for _, args := range [][]string{{"--pin", "apart"}, {"--count", "9"}} {
		_, _, code = handoff(t, append([]string{"bench", "--from", kept}, args...)...)
		require.Equal(t, 2, code)
	}
	_, stderr, code = handoff(t, "bench", "--from", kept+"x")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "no such file")
}

func TestIsUTF8(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want bool
	}{
		{nil, false},
		{map[string]string{"LANG": "en_US.UTF-8"}, true},
		{map[string]string{"LANG": "C.utf8", "LC_CTYPE": "C"}, false},
		{map[string]string{"LANG": "C", "LC_CTYPE": "C", "LC_ALL": "de_DE.utf8"}, true},
	} {
		require.Equal(t, tt.want, isUTF8(func(name string) string { return tt.env[name] }), "%v", tt.env)
	}
}
