package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/tune"
)

func TestTuneRefuses(t *testing.T) {
	good := write(t, "good.csv", "a\n1\n")
	job := "-- run " + good + " --op describe"
	for line, want := range map[string]string{
		"":                                "a job is needed",
		"--":                              "a job is needed",
		"run " + good:                     "goes behind --",
		"x -- run " + good:                "goes behind --",
		"-- bench":                        "only a run job",
		"-- run":                          "an input file is needed",
		"-- run " + good:                  "--op is needed",
		"--rounds 0 " + job:               "from 1 to 200",
		"--rounds 5 " + job:               "expected 6 or more",
		"--max-width 1 " + job:            "expected 2 or more",
		job + " --state x --out y":        "--state cannot be",
		job + " --json x":                 "--json cannot be",
		job + " --joblog x":               "--joblog cannot be",
		job + " --metrics :0":             "--metrics cannot be",
		job + " --nope":                   "unknown flag: --nope",
		job + " --workers 0":              "from 1 to",
		job + " --out " + good:            "would be overwritten",
		job + " --workers 5000":           "from 1 to",
		"-- run " + good + " --op zscore": "rows need a file: give --out FILE",
		"--max-width 4 --rounds 8 " + job + " --workers 3": "starts with width 3",
	} {
		t.Run(line, func(t *testing.T) {
			stdout, stderr, code := handoff(t, append([]string{"tune"}, strings.Fields(line)...)...)
			require.Equal(t, exitUsage, code, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, want)
			requireShort(t, stderr)
		})
	}
}

func TestTune(t *testing.T) {
	in := write(t, "in.csv", "a,b\n"+strings.Repeat("1,2\n3,4\n", 500))
	out := filepath.Join(filepath.Dir(in), "out.arrow")
	require.NoError(t, os.WriteFile(out, []byte("mine"), 0o600))
	report := filepath.Join(t.TempDir(), "report.json")
	job := []string{"--", "run", in, "--op", "rolling:window=2,stat=median", "--out", out, "--workers", "1", "--isolation", "goroutine"}

	stdout, stderr, code := handoff(t, append([]string{"tune", "--rounds", "6", "--max-width", "2", "--quiet", "--json", report}, job...)...)
	require.Equal(t, exitOK, code, stderr)
	require.Empty(t, stderr)
	require.Contains(t, stdout, "double workers")
	require.Contains(t, stdout, "workers  wall-clock")
	b, err := os.ReadFile(report)
	require.NoError(t, err)
	var r tune.Report
	require.NoError(t, json.Unmarshal(b, &r))
	for _, trial := range r.Trials {
		require.Len(t, trial.Walls, 6)
	}
	require.Contains(t, stdout, r.Reason)

	stdout, stderr, code = handoff(t, append([]string{"tune", "--rounds", "6", "--max-width", "2", "--json", "-"}, job...)...)
	require.Equal(t, exitOK, code, stderr)
	require.NoError(t, json.Unmarshal([]byte(stdout), &r))

	_, stderr, code = handoff(t, "tune", "--", "run", in+"x", "--op", "describe")
	require.Equal(t, exitFailure, code, stderr)
	requireShort(t, stderr)

	b, err = os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, "mine", string(b))
	left, err := os.ReadDir(filepath.Dir(in))
	require.NoError(t, err)
	require.Len(t, left, 2)
}
