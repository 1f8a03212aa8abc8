package main

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQuantile(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		q      float64
		want   float64
	}{
		{[]float64{3}, 0.5, 3},
		{[]float64{3}, 1, 3},
		{[]float64{4, 1, 3}, 0.5, 3},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{4, 1, 3, 2}, 0, 1},
		{[]float64{4, 1, 3, 2}, 1, 4},
		{[]float64{4, 1, 3, 2}, 0.25, 1.75},
		{[]float64{1, 2, 3, 4, 5}, 0.75, 4},
	} {
		require.InDelta(t, tt.want, quantile(tt.values, tt.q), 1e-12, "%v of %v", tt.q, tt.values)
	}
	require.True(t, math.IsNaN(quantile(nil, 0.5)))
	values := []float64{2, 1}
	quantile(values, 0.5)
	require.Equal(t, []float64{2, 1}, values, "the caller's values were sorted")
}

// The median of the pairs' ratios is not the ratio of the medians.
func TestSummarize(t *testing.T) {
	s := samples{Ours: []float64{1, 20, 9}, Theirs: []float64{2, 10, 9}}
	got := summarize(atMost(1), s)
	require.Equal(t, Summary{Ratio: 1, Q1: 0.75, Q3: 1.5, Min: 0.5, Max: 2, Samples: 3, OursMid: 9, TheirMid: 9}, got)
	got = summarize(atLeast(1), s)
	require.Equal(t, []float64{1, 0.5, 2}, []float64{got.Ratio, got.Min, got.Max})
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

// Pairs begin with either side in turn, and the first pair is not counted.
func TestAlternate(t *testing.T) {
	order, n := "", 0.0
	take := func(name string) side {
		return func(context.Context) (float64, error) { order += name; n++; return n, nil }
	}
	s, err := alternate(context.Background(), 3, take("o"), take("t"))
	require.NoError(t, err)
	require.Equal(t, "to"+"ot"+"to"+"ot", order)
	require.Equal(t, samples{Ours: []float64{3, 6, 7}, Theirs: []float64{4, 5, 8}}, s)
}

func TestAlternateStops(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	reason, calls := errors.New("enough"), 0
	_, err := alternate(ctx, 10, func(context.Context) (float64, error) {
		calls++
		cancel(reason)
		return 1, nil
	}, func(context.Context) (float64, error) { return 1, nil })
	require.ErrorIs(t, err, reason)
	require.Equal(t, 1, calls)

	for _, bad := range []float64{0, -1, math.NaN()} {
		_, err = alternate(context.Background(), 1, func(context.Context) (float64, error) { return bad, nil },
			func(context.Context) (float64, error) { return 1, nil })
		require.ErrorContains(t, err, "expected a positive number")
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
