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
	s := newScript(plan.Seed, plan.Faults)
	for i, want := range []decision{
		{0.27570162858355424, Exit1, 856809339, 2.7173528168616627},
		{1.252390012802133, Garbage, 1208053909, 0.8613688515972218},
		{0.5597308866889515, Kill, 2394804601, 0.9258192084446559},
		{0.10709103718485807, Segv, 2462697393, 0.7672730328743377},
	} {
		require.Equal(t, want, s.next(), "decision %d", i)
	}

	// The order of the faults means nothing, and the seed much.
	plan, err = (&Plan{Seed: 42, Faults: []Fault{Garbage, Exit1, Kill, Exit0, Segv, Pause}}).withDefaults(false)
	require.NoError(t, err)
	same := newScript(plan.Seed, plan.Faults)
	plan.Seed++
	other, differ := newScript(plan.Seed, plan.Faults), 0
	s = newScript(42, plan.Faults)
	count, sum := map[Fault]int{}, 0.0
	const n = 6000
	for range n {
		d := s.next()
		require.Equal(t, d, same.next())
		if d != other.next() {
			differ++
		}
		require.GreaterOrEqual(t, d.pause, 0.0)
		require.LessOrEqual(t, d.pause, float64(maxShare))
		count[d.fault]++
		sum += d.pause
	}
	require.Equal(t, n, differ)
	require.InDelta(t, 1, sum/n, 0.05)
	for _, f := range plan.Faults {
		require.Equal(t, n/len(plan.Faults), count[f], f)
	}
}

// Each fault comes once before any comes again.
func TestDeck(t *testing.T) {
	s := newScript(1, allFaults[:])
	for range 20 {
		var deck []Fault
		for range allFaults {
			deck = append(deck, s.next().fault)
		}
		require.ElementsMatch(t, allFaults, deck)
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
