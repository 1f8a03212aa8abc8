package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/bench"
)

func TestBenchFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	args := []string{"bench", "--sizes", "64B", "--strategies", "goroutine,shm-copy", "--count", "6", "--quiet", "--dtype", "int16"}
	_, stderr, code := handoff(t, append(args, "--json", at("a.json"), "--svg", at("a.svg"), "--compute", "2ms", "--isolated", "--tasks", "50")...)
	require.Zero(t, code, stderr)
	f, err := os.Open(at("a.json"))
	require.NoError(t, err)
	defer f.Close()
	r, err := bench.ReadReport(f)
	require.NoError(t, err)
	require.Equal(t, "int16", r.Payload.DType)
	require.Len(t, r.Advice, 1)
	require.True(t, r.Advice[0].Task.Isolated)
	require.Equal(t, 50, r.Advice[0].Task.Tasks)
	require.FileExists(t, at("a.svg"))

	stdout, stderr, code := handoff(t, append(args, "--compare", at("a.json"))...)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "compared with the report of")

	require.NoError(t, os.WriteFile(at("bad.json"), []byte(`{"results": []}`), 0o600))
	for file, want := range map[string]string{"bad.json": "measure again with this version", "none.json": "no such file"} {
		_, stderr, code = handoff(t, "bench", "--compare", at(file))
		require.Equal(t, 1, code)
		require.Contains(t, stderr, want)
	}
	for _, wrong := range [][]string{
		{"--compute", "-1s"}, {"--json", "-", "--compare", "x"}, {"--format", "go", "--compare", "x"}, {"--format", "go", "--chart"},
		{"--html", "-"}, {"--isolated"}, {"--tasks", "9"}, {"--dtype", "float128"}, {"--memory", "--svg", "x"},
	} {
		_, _, code = handoff(t, append([]string{"bench"}, wrong...)...)
		require.Equal(t, 2, code, wrong)
	}
	a, b := at("a.json"), at("b.json")
	before, err := os.ReadFile(a)
	require.NoError(t, err)
	for _, wrong := range [][]string{{"--from", a, "--html", a}, {"--from", a, "--json", a}, {"--file", a, "--json", a}, {"--compare", a, "--svg", a}, {"--json", b, "--html", b}, {"--from", a, "--svg", b, "--html", b}} {
		_, stderr, code = handoff(t, append([]string{"bench"}, wrong...)...)
		require.Equal(t, 2, code, wrong)
		require.Regexp(t, "the same file|would be overwritten", stderr)
		require.NoFileExists(t, b)
		after, err := os.ReadFile(a)
		require.NoError(t, err)
		require.Equal(t, before, after, wrong)
	}
}
