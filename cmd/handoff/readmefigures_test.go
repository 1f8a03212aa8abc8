package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/bench"
)

var updateFigures = flag.Bool("update", false, "write the table of figures in README.md anew, and thin its report")

const (
	keptReport = "../../bench/figures/arrays.json"
	// mostKeptBytes is how large a kept report may be before the times of single handoffs are
	// taken out of it.
	mostKeptBytes = 300 << 10
	thinned       = "This copy of the report has no raw times of single handoffs (singles_ns); the percentiles are of all of them."
)

// The table of figures in the README is what the command makes of the kept report. After
// another one was measured,
//
//	go run ./cmd/handoff bench --json bench/figures/arrays.json
//	go test ./cmd/handoff -run ReadmeFigures -update
func TestReadmeFigures(t *testing.T) {
	const readme, begin, end = "../../README.md", "<!-- figures: handoff bench --from bench/figures/arrays.json --format markdown -->\n", "<!-- end of the figures -->\n"
	if *updateFigures {
		thin(t)
	}
	table, stderr, code := handoff(t, "bench", "--from", keptReport, "--format", "markdown")
	require.Zero(t, code, stderr)
	info, err := os.Stat(keptReport)
	require.NoError(t, err)
	require.LessOrEqual(t, info.Size(), int64(mostKeptBytes), "%s is large: run this test with -update", keptReport)

	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok, "no %q in the README", begin)
	got, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "no %q in the README", end)
	if *updateFigures {
		require.NoError(t, os.WriteFile(readme, []byte(before+begin+table+end+after), 0o644))
		return
	}
	require.Equal(t, table, got, "run this test with -update")
}

// thin takes the times of single handoffs out of a kept report that is too large.
func thin(t *testing.T) {
	b, err := os.ReadFile(keptReport)
	require.NoError(t, err)
	if len(b) <= mostKeptBytes {
		return
	}
	r, err := bench.ReadReport(bytes.NewReader(b))
	require.NoError(t, err)
	for i := range r.Results {
		r.Results[i].SinglesNS = []int64{}
	}
	r.Method.Notes = append(r.Method.Notes, thinned)
	var out bytes.Buffer
	require.NoError(t, r.WriteJSON(&out))
	require.NoError(t, os.WriteFile(keptReport, out.Bytes(), 0o644))
}
