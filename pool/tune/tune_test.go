package tune

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A model is a job whose wall-clock is made up: no clock is read.
type model struct {
	wall  func(w Widths) float64 // in units of 100 ms
	noise func() float64         // factor
	runs  int
}

func (m *model) job(_ context.Context, w Widths) (time.Duration, error) {
	m.runs++
	wall := m.wall(w)
	if m.noise != nil {
		wall *= m.noise()
	}
	return time.Duration(wall * 1e8), nil
}

// logNormal is noise of that standard deviation, and with heavy tails one run in ten is
// up to eight times slower.
func logNormal(seed uint64, sd float64, heavy bool) func() float64 {
	r := rand.New(rand.NewPCG(seed, 7))
	return func() float64 {
		f := math.Exp(sd * r.NormFloat64())
		if heavy && r.IntN(10) == 0 {
			f *= 1 + 7*r.Float64()
		}
		return f
	}
}

func stages(names ...string) (list []Stage) {
	for _, n := range names {
		list = append(list, Stage{Name: n, Kind: IO, Width: 1})
	}
	return list
}

// overlapping is a pipeline: the slowest stage says how long it takes.
func overlapping(cost map[string]float64) func(Widths) float64 {
	return func(w Widths) (wall float64) {
		for name, c := range cost {
			wall = max(wall, c/float64(w[name]))
		}
		return wall
	}
}

func TestVerdicts(t *testing.T) {
	for name, tt := range map[string]struct {
		stages  []Stage
		wall    func(Widths) float64
		outcome Outcome
		names   []string // the bottleneck, or those that share
		widths  Widths
		gain    float64
		words   string
	}{
		"one of three": {
			stages("a", "b", "c"), overlapping(map[string]float64{"a": 1, "b": 8.5, "c": 1}),
			OutcomeBottleneck, []string{"b"}, Widths{"a": 1, "b": 16, "c": 1}, 8.5, "32 is no faster",
		},
		"up to the greatest width": {
			stages("a", "b"), overlapping(map[string]float64{"a": 1e6, "b": 1}),
			OutcomeBottleneck, []string{"a"}, Widths{"a": 48, "b": 1}, 48, "more than 48 was not tried",
		},
		"two of three, equal": {
			stages("a", "b", "c"), overlapping(map[string]float64{"a": 3, "b": 1, "c": 3}),
			OutcomeShared, []string{"a", "c"}, Widths{"a": 2, "b": 1, "c": 2}, 2, "doubling a and c makes",
		},
		"one after the other": {
			stages("a", "b"), func(w Widths) float64 { return 1/float64(w["a"]) + 1/float64(w["b"]) },
			OutcomeShared, []string{"a", "b"}, Widths{"a": 2, "b": 2}, 4. / 3, "do not overlap",
		},
		"one after the other, one longer": {
			stages("a", "b"), func(w Widths) float64 { return 3/float64(w["a"]) + 1/float64(w["b"]) },
			OutcomeBottleneck, []string{"a"}, Widths{"a": 32, "b": 1}, 4 / (1 + 3./32), "doubling b helps less. Give it 32",
		},
		"none of them": {
			stages("a", "b"), func(Widths) float64 { return 1 },
			OutcomeNone, nil, Widths{"a": 1, "b": 1}, 1, "none of these stages",
		},
		"one alone, on two cores": {
			[]Stage{{"w", CPU, 2}}, func(w Widths) float64 { return 1 / min(float64(w["w"]), 2) },
			OutcomeNone, nil, Widths{"w": 2}, 2, "as fast as 1; 4 is no faster",
		},
		"one alone, on one core": {
			[]Stage{{"w", CPU, 8}}, func(w Widths) float64 { return 1 },
			OutcomeNone, nil, Widths{"w": 1}, 1, "1 is as fast as 8",
		},
		"one alone, worse with more": {
			[]Stage{{"w", CPU, 4}}, func(w Widths) float64 { return float64(w["w"]) },
			OutcomeNone, nil, Widths{"w": 1}, 4, "1 is faster than 4",
		},
		"one alone, on many cores": {
			[]Stage{{"w", CPU, 2}}, func(w Widths) float64 { return 1 / min(float64(w["w"]), 8) },
			OutcomeBottleneck, []string{"w"}, Widths{"w": 8}, 4, "16 is no faster",
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &model{wall: tt.wall, noise: logNormal(1, 0.01, false)}
			r, err := Run(t.Context(), tt.stages, m.job, &Options{Seed: 1, MaxWidth: 48})
			require.NoError(t, err)
			t.Log(r)
			require.Equal(t, tt.outcome, r.Outcome, r.Reason)
			if r.Bottleneck != "" {
				require.Equal(t, tt.names, []string{r.Bottleneck})
			} else {
				require.Equal(t, tt.names, r.Shared)
			}
			require.Equal(t, tt.widths, r.Widths)
			require.InEpsilon(t, tt.gain, r.Gain, 0.05)
			require.Contains(t, r.Reason, tt.words)
			runs := 0
			for _, trial := range r.Trials {
				runs += len(trial.Walls)
			}
			require.Equal(t, m.runs, runs+1, "all runs but that to warm up are reported")
			b, err := json.Marshal(r)
			require.NoError(t, err)
			back := &Report{}
			require.NoError(t, json.Unmarshal(b, back))
			require.Equal(t, r, back)
		})
	}
}

// In pure noise a bottleneck is named in one experiment of twenty at most, also where any
// gain would do.
func TestNoiseHasNoBottleneck(t *testing.T) {
	for name, heavy := range map[string]bool{"normal": false, "heavy tails": true} {
		t.Run(name, func(t *testing.T) {
			const times = 1000
			seen := map[Outcome]int{}
			for seed := range uint64(times) {
				m := &model{wall: func(Widths) float64 { return 1 }, noise: logNormal(seed, 0.1, heavy)}
				r, err := Run(t.Context(), stages("a", "b", "c"), m.job, &Options{Seed: seed + 1, MinGain: 1e-9, MaxWidth: 4})
				require.NoError(t, err)
				seen[r.Outcome]++
			}
			t.Log(seen)
			require.LessOrEqual(t, seen[OutcomeBottleneck]+seen[OutcomeShared], times*5/100)
		})
	}
}

// A machine that becomes slower all the time, or in steps, is no bottleneck of ours.
func TestDrift(t *testing.T) {
	for name, slow := range map[string]func(run int) float64{
		"slower and slower": func(run int) float64 { return 1 + float64(run)/50 },
		"by turns":          func(run int) float64 { return 1 + float64(run/7%2) },
	} {
		t.Run(name, func(t *testing.T) {
			const times = 200
			wrong := 0
			for seed := range uint64(times) {
				m := &model{wall: func(Widths) float64 { return 1 }}
				m.noise = func() float64 { return slow(m.runs) }
				r, err := Run(t.Context(), stages("a", "b"), m.job, &Options{Seed: seed + 1, MinGain: 1e-9, MaxWidth: 4})
				require.NoError(t, err)
				if r.Outcome == OutcomeBottleneck || r.Outcome == OutcomeShared {
					wrong++
				}
			}
			t.Logf("%d of %d", wrong, times)
			require.LessOrEqual(t, wrong, times*5/100)
		})
	}
}

// A real bottleneck is found in noise, and its width is right. Where one run in ten is
// much slower the answer may be that there is none.
func TestBottleneckInNoise(t *testing.T) {
	const times = 200
	for name, heavy := range map[string]bool{"normal": false, "heavy tails": true} {
		t.Run(name, func(t *testing.T) {
			seen := map[string]int{}
			other, wide := 0, 0
			for seed := range uint64(times) {
				m := &model{wall: overlapping(map[string]float64{"a": 1, "b": 6, "c": 1}), noise: logNormal(seed, 0.05, heavy)}
				r, err := Run(t.Context(), stages("a", "b", "c"), m.job, &Options{Seed: seed + 1, MaxWidth: 64})
				require.NoError(t, err)
				seen[fmt.Sprint(r.Outcome, " ", r.Bottleneck, " ", r.Widths["b"])]++
				if r.Outcome == OutcomeShared || r.Outcome == OutcomeBottleneck && r.Bottleneck != "b" {
					other++
				}
				if r.Widths["b"] > 8 {
					wide++
				}
			}
			t.Log(seen)
			require.LessOrEqual(t, other, times*5/100)
			require.LessOrEqual(t, wide, times*5/100)
			if !heavy {
				require.GreaterOrEqual(t, seen["bottleneck b 8"], times*95/100)
			}
		})
	}
}

// What is worth it is hardly ever called worthless.
func TestGainInNoise(t *testing.T) {
	const times = 500
	wrong := 0
	for seed := range uint64(times) {
		m := &model{wall: func(w Widths) float64 { return 1 - 0.1*float64(w["a"]/2) }, noise: logNormal(seed, 0.1, false)} // a gain of 11 %
		r, err := Run(t.Context(), stages("a"), m.job, &Options{Seed: seed + 1, MaxWidth: 2})
		require.NoError(t, err)
		if r.Outcome == OutcomeNone {
			wrong++
		}
	}
	t.Logf("%d of %d", wrong, times)
	require.LessOrEqual(t, wrong, times*5/100)
}

func TestCannotTell(t *testing.T) {
	m := &model{wall: func(Widths) float64 { return 1 }, noise: logNormal(3, 0.5, true)}
	r, err := Run(t.Context(), stages("a", "b"), m.job, &Options{Seed: 5})
	require.NoError(t, err)
	require.Equal(t, OutcomeUnclear, r.Outcome)
	require.Contains(t, r.Reason, "cannot tell, the noise is too great for 24 rounds (double a: ")
	require.Equal(t, Widths{"a": 1, "b": 1}, r.Widths)
	require.NotContains(t, r.String(), "◀")
}

func TestRounds(t *testing.T) {
	m := &model{wall: overlapping(map[string]float64{"a": 1, "b": 8})}
	for _, tt := range []struct{ rounds, ran int }{{0, 8}, {6, 6}, {9, 9}, {10, 8}, {200, 8}} {
		r, err := Run(t.Context(), stages("a", "b"), m.job, &Options{Rounds: tt.rounds, MaxWidth: 2})
		require.NoError(t, err)
		require.Equal(t, "b", r.Bottleneck)
		require.Equal(t, tt.ran, r.Comparisons[0].Rounds, "of %d", tt.rounds)
	}
	_, err := Run(t.Context(), stages("a", "b"), m.job, &Options{Rounds: 5})
	require.ErrorContains(t, err, "5 rounds cannot tell anything from noise: expected 6 or more")
}

// Each round has a run of each, in an order that is not always the same.
func TestOrder(t *testing.T) {
	var order []string
	job := func(_ context.Context, w Widths) (time.Duration, error) {
		order = append(order, fmt.Sprint(w))
		return time.Second, nil
	}
	_, err := Run(t.Context(), stages("a", "b"), job, &Options{Seed: 1})
	require.NoError(t, err)
	first := map[string]int{}
	for round := range 8 {
		runs := order[1+3*round:][:3]
		first[runs[0]]++
		require.ElementsMatch(t, []string{"map[a:1 b:1]", "map[a:2 b:1]", "map[a:1 b:2]"}, runs)
	}
	require.Len(t, first, 3)
}

func TestRefused(t *testing.T) {
	job := (&model{wall: func(Widths) float64 { return 1 }}).job
	for want, tt := range map[string]struct {
		stages []Stage
		job    Job
		opts   Options
	}{
		"the job is nil":           {stages("a"), nil, Options{}},
		"there is no stage":        {nil, job, Options{}},
		"names are needed":         {stages("a", ""), job, Options{}},
		"must differ":              {stages("a", "a"), job, Options{}},
		`kind "", expected "cpu"`:  {[]Stage{{Name: "a"}}, job, Options{}},
		"starts with width -1":     {[]Stage{{"a", CPU, -1}}, job, Options{}},
		"starts with width 3":      {[]Stage{{"a", CPU, 3}}, job, Options{MaxWidth: 5}},
		"greatest width 1":         {stages("a"), job, Options{MaxWidth: 1}},
		"greatest width -2":        {stages("a"), job, Options{MaxWidth: -2}},
		"-1 rounds":                {stages("a"), job, Options{Rounds: -1}},
		"201 rounds":               {stages("a"), job, Options{Rounds: 201}},
		"least gain NaN":           {stages("a"), job, Options{MinGain: math.NaN()}},
		"least gain -1":            {stages("a"), job, Options{MinGain: -1}},
		"expected 1 to 524288":     {[]Stage{{"a", CPU, math.MaxInt}}, job, Options{}},
		"the job says that it too": {stages("a"), func(context.Context, Widths) (time.Duration, error) { return 0, nil }, Options{}},
	} {
		_, err := Run(t.Context(), tt.stages, tt.job, &tt.opts)
		require.ErrorContains(t, err, want)
		require.Equal(t, !strings.HasPrefix(want, "the job says"), errors.Is(err, ErrOptions), want)
	}
}

func TestJobFails(t *testing.T) {
	broken := errors.New("broken")
	n := 0
	r, err := Run(t.Context(), stages("a", "b"), func(_ context.Context, w Widths) (time.Duration, error) {
		if n++; n == 5 {
			return 0, broken
		}
		clear(w) // its own
		return time.Second, nil
	}, nil)
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "tune: a run with a ")
	require.Empty(t, r.Outcome)
	require.NotEmpty(t, r.Trials)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = Run(ctx, stages("a", "b"), func(context.Context, Widths) (time.Duration, error) {
		cancel()
		return time.Second, nil
	}, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestProgress(t *testing.T) {
	var last Progress
	m := &model{wall: overlapping(map[string]float64{"a": 4, "b": 1})}
	_, err := Run(t.Context(), stages("a", "b"), m.job, &Options{Progress: func(p Progress) {
		require.Equal(t, last.Run+1, p.Run)
		require.LessOrEqual(t, p.Round, p.Most)
		require.GreaterOrEqual(t, p.Done, last.Done)
		require.Less(t, p.Done, 1.0)
		last = p
	}})
	require.NoError(t, err)
	require.Equal(t, m.runs, last.Run)
	require.Equal(t, "a from 4 to 8", last.Doing)
}

func TestDefaultWidths(t *testing.T) {
	physical, usable := Cores()
	require.GreaterOrEqual(t, physical, 1)
	require.LessOrEqual(t, physical, usable)
	m := &model{wall: func(Widths) float64 { return 1 }}
	r, err := Run(t.Context(), []Stage{{Name: "c", Kind: CPU}, {Name: "i", Kind: IO}}, m.job, nil)
	require.NoError(t, err)
	require.Equal(t, Widths{"c": physical, "i": 2 * usable}, r.Widths)
	r, err = Run(t.Context(), []Stage{{Name: "i", Kind: IO}}, m.job, &Options{MaxWidth: 3})
	require.NoError(t, err)
	require.Equal(t, 1, r.Stages[0].Width)
}

func TestChart(t *testing.T) {
	m := &model{wall: overlapping(map[string]float64{"fetch": 4, "b": 1})}
	r, err := Run(t.Context(), stages("fetch", "b"), m.job, nil)
	require.NoError(t, err)
	require.Equal(t, `fetch  wall-clock
    1  █████████████████████████████ 400ms
    2  ██████████████▌ 200ms
    4  ███████▎ 100ms  ◀ enough
    8  ███████▎ 100ms
`, r.Chart(60))
	require.Regexp(t, `fetch from 4 to 8 +100ms +100ms +1 × +1 – 1 +8 +no faster`, r.String())
	require.Empty(t, (&Report{}).Chart(0))
}

// A machine that gets slower from one comparison to the next makes no width look faster
// than it is: within a comparison the runs alternate.
func TestChartOfSlowingMachine(t *testing.T) {
	runs := 0
	slower := func() float64 { runs++; return math.Exp(float64(runs) / 40) }
	m := &model{wall: func(w Widths) float64 { return 4 / min(float64(w["w"]), 4) }, noise: slower}
	r, err := Run(t.Context(), []Stage{{"w", CPU, 4}}, m.job, &Options{Seed: 1})
	require.NoError(t, err)
	require.Equal(t, Widths{"w": 4}, r.Widths, r.Reason)
	walls := r.walls("w")
	require.Len(t, walls, 3)
	require.InEpsilon(t, walls[4], walls[8], 0.05)
	require.InEpsilon(t, 2*walls[4], walls[2], 0.05)
	for _, c := range r.Comparisons {
		require.InEpsilon(t, c.Gain, float64(c.Before)/float64(c.After), 0.1, c.Change)
	}
}
