package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/bench"
)

func TestWrite(t *testing.T) {
	run := func(bytes, low, high int64) *bench.Report {
		return &bench.Report{Crossovers: []bench.Crossover{{A: "x", B: "y", Bytes: &bytes, Low: &low, High: &high, Verified: "confirmed"}, {A: "x", B: "z"}}}
	}
	var b bytes.Buffer
	require.NoError(t, write(&b, []*bench.Report{run(10, 8, 12), run(11, 9, 13), run(13, 10, 16), {}}, "x", "y"))
	require.Regexp(t, `(?m)^ +1 +10 B +8 B +12 B +1\.50 +2 of 2 `, b.String())
	require.Regexp(t, `(?m)^ +3 +13 B +10 B +16 B +1\.60 +1 of 2 `, b.String())
	require.Contains(t, b.String(), "x, y: found in 3 of 4 runs, inside in 5 of 6 pairs of runs, high/low at most 1.5 in 2, confirmed in 3\n")
}
