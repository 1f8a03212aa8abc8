package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// What lies behind the end of an Arrow stream or file is read or refused, and a stream
// without its end mark is told.
func TestRunArrowEnds(t *testing.T) {
	stream, err := os.ReadFile("../../testdata/small.stream")
	require.NoError(t, err)
	file, err := os.ReadFile("../../testdata/small.arrow")
	require.NoError(t, err)
	cut := stream[:len(stream)-8]
	for name, row := range map[string]struct {
		content []byte
		code    int
		count   float64
		stderr  string
		warned  bool
	}{
		"one":            {stream, 0, 20, "", false},
		"two":            {slices.Concat(stream, stream), 0, 40, "", false},
		"junk behind":    {slices.Concat(stream, make([]byte, 100)), 1, 0, "what follows is no other one", false},
		"no end mark":    {cut, 0, 20, "has no end mark", true},
		"the second cut": {slices.Concat(stream, cut), 0, 40, "has no end mark", true},
		"two files":      {slices.Concat(file, file), 1, 0, "belong to nothing that the Arrow footer lists", false},
	} {
		t.Run(name, func(t *testing.T) {
			in := write(t, "in", string(row.content))
			summary := filepath.Join(t.TempDir(), "s.json")
			stdout, stderr, code := inProcess("run", in, "--op", "describe", "--columns", "i8", "--isolation", "goroutine", "--quiet", "--json", summary)
			require.Equal(t, row.code, code, stderr)
			requireShort(t, stderr)
			require.Contains(t, stderr, row.stderr)
			if row.code != 0 {
				require.Empty(t, stdout)
				return
			}
			require.Equal(t, row.warned, stderr != "", stderr)
			var got struct{ Columns []struct{ Count float64 } }
			require.NoError(t, json.Unmarshal([]byte(stdout), &got))
			require.Equal(t, row.count, got.Columns[0].Count)
			b, err := os.ReadFile(summary)
			require.NoError(t, err)
			var sum struct {
				NoEndMark []string `json:"no_end_mark"`
			}
			require.NoError(t, json.Unmarshal(b, &sum))
			want := []string{}
			if row.warned {
				want = append(want, in)
			}
			require.Equal(t, want, sum.NoEndMark)
		})
	}
}
