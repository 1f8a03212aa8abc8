package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/bench/stat"
)

// The median of the pairs' ratios is not the ratio of the medians.
func TestSummarize(t *testing.T) {
	p := stat.Pairs{A: []float64{1, 20, 9}, B: []float64{2, 10, 9}}
	got := summarize(atMost(1), p)
	require.InDelta(t, 1, got.Ratio, 1e-12)
	got.Ratio = 1
	require.Equal(t, Summary{Ratio: 1, Min: 0.5, Max: 2, Samples: 3, OursMid: 9, TheirMid: 9}, got, "three pairs have no interval")
	got = summarize(atLeast(1), p)
	require.InDeltaSlice(t, []float64{1, 0.5, 2}, []float64{got.Ratio, got.Min, got.Max}, 1e-12)

	// Of eight pairs the extremes are the bounds: (1 + 0)/2⁸ is less than 2.5 %, (1 + 8)/2⁸ more.
	p = stat.Pairs{}
	for i := range 8 {
		p.A, p.B = append(p.A, float64(i+1)), append(p.B, 10)
	}
	got = summarize(atMost(1), p)
	require.InDeltaSlice(t, []float64{0.1, 0.8}, []float64{*got.Low, *got.High}, 1e-12)
	require.Equal(t, "0.100 – 0.800", got.interval())
	require.True(t, got.open(atMost(0.5)))
	require.False(t, got.open(atMost(0.9)))
	got = summarize(atLeast(1), p)
	require.InDeltaSlice(t, []float64{1.25, 10}, []float64{*got.Low, *got.High}, 1e-12)
}

func TestGoal(t *testing.T) {
	for _, tt := range []struct {
		goal   goal
		ratio  float64
		met    bool
		string string
	}{
		{atMost(1.2), 1.2, true, "≤ 1.20"},
		{atMost(1.2), 1.21, false, "≤ 1.20"},
		{atLeast(4), 4, true, "≥ 4.00"},
		{atLeast(40), 3.9, false, "≥ 40.0"},
		{atMost(1.0 / 300), 0.003, true, "≤ 1/300"},
		{goal{}, 1, false, "-"},
		{goal{least: true}, 0.5, true, "-"},
	} {
		require.Equal(t, tt.string, tt.goal.String())
		require.Equal(t, tt.met, tt.goal.met(tt.ratio), "%v of %v", tt.ratio, tt.goal)
	}
}

// The number of tasks settles in the first sample, and a wrong checksum is an error.
func TestSized(t *testing.T) {
	var ns []int
	off := int64(0)
	take := sized(2*time.Millisecond, func(_ context.Context, n int) (int64, error) {
		ns = append(ns, n)
		if len(ns) == 3 {
			time.Sleep(3 * time.Millisecond)
		}
		return int64(n) + off, nil
	}, func(n int) int64 { return int64(n) })
	for range 3 {
		_, err := take(context.Background())
		require.NoError(t, err)
	}
	first := ns[0]
	require.GreaterOrEqual(t, len(ns), 3)
	last := ns[len(ns)-1]
	require.Equal(t, []int{last, last}, ns[len(ns)-2:])
	require.Greater(t, last, first)
	off = 1
	_, err := take(context.Background())
	require.ErrorIs(t, err, errAnswer)
}

func TestTripsStopAtAnError(t *testing.T) {
	broken, calls := errors.New("broken"), 0
	trip := func(context.Context) error {
		if calls++; calls == 20 {
			return broken
		}
		return nil
	}
	_, err := trips(time.Hour, 16, trip)(context.Background())
	require.ErrorIs(t, err, broken)
	require.Equal(t, 20, calls)
}

func TestChoose(t *testing.T) {
	all, err := choose("")
	require.NoError(t, err)
	require.Len(t, all, len(rows()))
	some, err := choose("SHMIPC, one core,one core: round")
	require.NoError(t, err)
	require.Len(t, some, 3, "a row that matches twice is there once")
	_, err = choose("gob,nonsense")
	require.ErrorContains(t, err, `no row has "nonsense" in its name`)

	seen := map[string]bool{}
	for _, r := range all {
		require.False(t, seen[r.name], "two rows are called %q", r.name)
		seen[r.name] = true
	}
}
