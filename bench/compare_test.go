package bench

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func written(t testing.TB, r *Report) []byte {
	var b bytes.Buffer
	require.NoError(t, r.WriteJSON(&b))
	return b.Bytes()
}

func TestReadReport(t *testing.T) {
	r := sampleReport()
	back, err := ReadReport(bytes.NewReader(written(t, r)))
	require.NoError(t, err)
	require.Equal(t, r, back)

	for text, want := range map[string]string{
		"":                             "no report",
		"null":                         "it has no version, expected 2",
		"[]":                           "no report",
		`{"results": []}`:              "measure again with this version",
		`{"version": 1}`:               "version 1, expected 2",
		`{"version": 2, "a": 1}`:       "unknown field",
		`{"version": 2, "results": 1}`: "cannot unmarshal",
		`{"version": 2, "results": [{"bytes": 8}]}`:                                        "expected positive numbers",
		`{"version": 2, "results": [{"bytes": 8, "median_ns": 1e999}]}`:                    "no report",
		`{"version": 2, "results": [{"bytes": 8, "median_ns": 2, "low_ns": 3}]}`:           "not around its median",
		`{"version": 2, "results": [{"bytes":8,"median_ns":2},{"bytes":8,"median_ns":2}]}`: "two results",
		`{"version": 2, "results": [` + strings.Repeat("{},", mostResults) + `{}]}`:        "expected at most 10000",
		`{"version": 2, "pairs": [` + strings.Repeat("{},", mostReportObjects) + `{}]}`:    "more than 100000 objects",
	} {
		_, err := ReadReport(strings.NewReader(text))
		require.ErrorIs(t, err, ErrNoReport)
		require.ErrorContains(t, err, want)
	}
}

// A report of others can't command a terminal.
func TestReadReportPlain(t *testing.T) {
	r := sampleReport()
	r.Results[0].Strategy, r.Machine.CPU, r.Verdicts = "a\x1b[2J", "b\x07\u009b", []string{"c\nd\x7f"}
	back, err := ReadReport(bytes.NewReader(written(t, r)))
	require.NoError(t, err)
	require.Equal(t, []string{"a\ufffd[2J", "b\ufffd\ufffd", "c\nd\ufffd"}, []string{back.Results[0].Strategy, back.Machine.CPU, back.Verdicts[0]})
}

func TestWriteComparison(t *testing.T) {
	old, now := sampleReport(), sampleReport()
	for i := range old.Results {
		for _, x := range []*Result{&old.Results[i], &now.Results[i]} {
			low, high := x.MedianNS*0.9, x.MedianNS*1.1
			x.LowNS, x.HighNS = &low, &high
		}
	}
	var b bytes.Buffer
	require.NoError(t, now.WriteComparison(&b, old))
	require.Contains(t, b.String(), "0 rows changed beyond the noise, 8 did not, 0 are in this report alone and 0 in the old one alone.")
	require.NotContains(t, b.String(), "differ")

	// One row is twice as slow, one is new, one is gone; the machine is another one.
	x := &now.Results[1]
	low, high := 2*x.MedianNS*0.9, 2*x.MedianNS*1.1
	x.MedianNS, x.LowNS, x.HighNS = 2*x.MedianNS, &low, &high
	now.Results[2].Strategy = "new"
	now.Machine.CPU, now.Machine.Cores = "Other CPU", 64
	now.Crossovers[0].Verified = "confirmed"
	b.Reset()
	require.NoError(t, now.WriteComparison(&b, old))
	text := b.String()
	require.Contains(t, text, "cpu: Other CPU, was Test CPU\n  cores: 64, was 2\n  These differ")
	require.Less(t, strings.Index(text, "cpu: "), strings.Index(text, "changed"), "the machine comes first")
	require.Regexp(t, `shm-copy +64B +40\.0 µs +\[36\.0 µs–44\.0 µs\] +80\.0 µs .* 2\.00`, text)
	require.Contains(t, text, "1 rows changed beyond the noise, 6 did not, 1 are in this report alone and 1 in the old one alone.")
	require.Contains(t, text, "crossover gob-reused, shm-copy: 476 B [400 B–512 B], confirmed, was ")
}

// Whatever a file has, it is a report that can be compared and drawn, or an error.
func FuzzReadReport(f *testing.F) {
	f.Add(written(f, sampleReport()))
	f.Add(written(f, newReport(Machine{})))
	f.Add(written(f, hostile()))
	f.Add([]byte(`{"version":2,"results":[{"strategy":"x","bytes":9223372036854775807,"median_ns":1e308,"low_ns":-1}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadReport(bytes.NewReader(b))
		if err != nil {
			require.ErrorIs(t, err, ErrNoReport)
			return
		}
		require.NoError(t, r.WriteComparison(io.Discard, sampleReport()))
		require.NoError(t, sampleReport().WriteComparison(io.Discard, r))
		for _, write := range []func(io.Writer) error{r.WriteTable, r.WriteMarkdown, r.WriteHTML, r.WriteSVG, r.WriteGo, r.WriteJSON,
			func(w io.Writer) error { return r.WriteChart(w, nil) }} {
			require.NoError(t, write(io.Discard))
		}
	})
}
