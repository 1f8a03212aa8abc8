package chaos

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
)

func TestMain(m *testing.M) {
	pool.Main()
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // for the workers
	os.Exit(m.Run())
}

// A seed means the same next year: its sequence is pinned.
func TestScript(t *testing.T) {
	plan, err := (&Plan{Seed: 42}).withDefaults(false)
	require.NoError(t, err)
	s := newScript(plan)
	for i, want := range []decision{
		{101288720, Exit0, 2391876709, 16792369},
		{159993128, Garbage, 856809339, 135867640},
		{62619500, Segv, 967783567, 27986544},
		{66103324, Garbage, 160278787, 62519022},
	} {
		require.Equal(t, want, s.next(), "decision %d", i)
	}

	// The order of the faults means nothing, and the seed much.
	plan, err = (&Plan{Seed: 42, Faults: []Fault{Garbage, Exit1, Kill, Exit0, Segv, Pause}}).withDefaults(false)
	require.NoError(t, err)
	same := newScript(plan)
	plan.Seed++
	other, differ := newScript(plan), 0
	s = newScript(Plan{Seed: 42, Every: plan.Every, Faults: plan.Faults})
	count, sum := map[Fault]int{}, time.Duration(0)
	const n = 6000
	for range n {
		d := s.next()
		require.Equal(t, d, same.next())
		if d != other.next() {
			differ++
		}
		require.GreaterOrEqual(t, d.pause, time.Duration(0))
		require.LessOrEqual(t, d.pause, longest*defaultEvery)
		count[d.fault]++
		sum += d.pause
	}
	require.Equal(t, n, differ)
	require.InDelta(t, float64(defaultEvery), float64(sum/n), 0.05*float64(defaultEvery))
	for _, f := range plan.Faults {
		require.InDelta(t, n/len(plan.Faults), count[f], 100, f)
	}
}

func TestPlans(t *testing.T) {
	for name, c := range map[string]struct {
		plan    *Plan
		limited bool
		want    []Fault
		err     string
	}{
		"nil":               {nil, false, []Fault{Kill, Segv, Pause, Exit0, Exit1, Garbage}, ""},
		"with a limit":      {&Plan{}, true, []Fault{Kill, Segv, Pause, Exit0, Exit1, Garbage, Memory}, ""},
		"in order":          {&Plan{Faults: []Fault{Memory, Freeze, Kill}}, true, []Fault{Kill, Freeze, Memory}, ""},
		"no limit":          {&Plan{Faults: []Fault{Memory}}, false, nil, "has no Options.MemoryLimit"},
		"unknown":           {&Plan{Faults: []Fault{"flood"}}, false, nil, `unknown fault "flood"`},
		"twice":             {&Plan{Faults: []Fault{Kill, Kill}}, false, nil, `"kill" is there twice`},
		"negative duration": {&Plan{Every: -1}, false, nil, "negative"},
		"negative bound":    {&Plan{Most: -1}, false, nil, "negative"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.plan.withDefaults(c.limited)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got.Faults)
			require.Equal(t, defaultEvery, got.Every)
		})
	}
}

func TestReport(t *testing.T) {
	r := Report{Seed: 0xfeed, Every: 20 * time.Millisecond, Dealt: map[Fault]int{Garbage: 0, Kill: 3, Pause: 12}}
	require.Equal(t, "chaos: seed 0xfeed, every 20ms: kill 3, pause 12, garbage 0", r.String())
	r.Err = errors.New("no luck")
	require.Equal(t, "chaos: seed 0xfeed, every 20ms: kill 3, pause 12, garbage 0; no luck", r.String())
}
