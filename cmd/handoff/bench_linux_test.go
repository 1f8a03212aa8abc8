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
