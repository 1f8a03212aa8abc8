package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/bench"
)

func TestBenchFile(t *testing.T) {
	const file = "../../testdata/small.arrow"
	html := filepath.Join(t.TempDir(), "x.html")
	stdout, stderr, code := handoff(t, "bench", "--file", file, "--strategies", "goroutine", "--count", "6", "--quiet", "--json", "-", "--svg", html)
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, `skipped column "carrier": type utf8`)
	require.Contains(t, stderr, `skipped 1 more columns: "ok"`)
	require.Contains(t, stderr, `nulls are handed over as the values in their places: "delay" (4)`)
	require.FileExists(t, html)
	var r bench.Report
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))
	require.Equal(t, "small.arrow", r.Payload.Name)
	require.Equal(t, len(r.Payload.File.Skipped), 6)
	require.Equal(t, r.Payload.File.Rows, r.Results[len(r.Results)-1].N)

	for code, wrong := range map[int][][]string{
		1: {{"--file", "none.csv"}, {"--file", "."}, {"--file", file, "--sizes", "1GiB"}},
		2: {{"--file", ""}, {"--file", file, "--dtype", "int8"}, {"--file", file, "--memory"}, {"--file", file, "--from", "x"}, {"--file", file, "--touch", "x"}},
	} {
		for _, args := range wrong {
			stdout, stderr, got := handoff(t, append([]string{"bench"}, args...)...)
			require.Equal(t, code, got, "%v: %s", args, stderr)
			require.Empty(t, stdout)
		}
	}
}
