package main

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/classify"
)

func TestClassifyCommand(t *testing.T) {
	stdout, stderr, code := handoff(t, "classify", "--repeat", "1", "--json", "-", "--", "sleep", "0.2")
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	var c map[string]any
	require.NoError(t, json.Unmarshal([]byte(stdout), &c))
	require.Equal(t, "io", c["class"])
	require.Equal(t, "goroutine", c["route"])
	for _, key := range []string{"wall_s", "cpu_s", "cpu_to_wall", "reason", "class_reason", "route_reason", "clock", "price_ns"} {
		require.Contains(t, c, key)
	}
	require.NotContains(t, c, "op")
	require.Len(t, c["prices"], 4)

	kept := filepath.Join(os.Getenv("XDG_CACHE_HOME"), "handoff", "costs-2.json")
	before, err := os.ReadFile(kept)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(kept, before[:len(before)/2], 0o600))
	stdout, stderr, code = handoff(t, "classify", "--repeat", "1", "--", "sleep", "0.05")
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, "handoff: warning: bench: the costs that are kept are measured anew: ")
	require.Contains(t, stdout, "price     process, value: ")
	require.Contains(t, stdout, "class     io\nroute     goroutine\n")

	stdout, stderr, code = handoff(t, "classify", "--costs", "none", "--", "sh", "-c", "echo broken >&2; exit 3")
	require.Equal(t, 1, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "broken")
	requireShort(t, stderr)
}

func TestClassifyOp(t *testing.T) {
	d := t.TempDir()
	profile, answer := filepath.Join(d, "cpu.pprof"), filepath.Join(d, "answer.json")
	in := bigCSV(t, 20000)
	stdout, stderr, code := handoff(t, "classify", "--costs", "none", "--repeat", "1", "--op", "describe", "--cpuprofile", profile, "--json", answer, in)
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, "payload   469 KiB by Ref, 0 B by value\n")
	var c classified
	b, err := os.ReadFile(answer)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &c))
	require.Equal(t, "describe", c.Op)
	require.Equal(t, classify.ClockProcess, c.Clock)
	require.Positive(t, c.CPUS)
	require.Equal(t, int64(20000*3*8), c.Payload.RefBytes)
	require.NotNil(t, c.GCShare)
	require.Empty(t, c.Prices)

	f, err := os.Open(profile)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Contains(t, string(text), "handoff/arrowipc/files", "where the time goes")

	for file, want := range map[string]string{filepath.Join(d, "none.csv"): "no such file", write(t, "bad.csv", "a\n1\nx\n"): "is not a number"} {
		stdout, stderr, code = handoff(t, "classify", "--op", "describe", "--cpuprofile", filepath.Join(d, "other"), file)
		require.Equal(t, 1, code)
		require.Empty(t, stdout)
		require.Contains(t, stderr, want)
		requireShort(t, stderr)
	}
	require.NoFileExists(t, filepath.Join(d, "other"))
}
