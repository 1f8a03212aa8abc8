package tune

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"example.com/handoff/bench/stat"
)

// A Verdict is the result of a comparison.
type Verdict string

const (
	Faster   Verdict = "faster"
	NoFaster Verdict = "no faster"
	Unclear  Verdict = "unclear" // the noise is too great for the rounds
)

// An Outcome is the result of an experiment.
type Outcome string

const (
	OutcomeBottleneck Outcome = "bottleneck" // one stage holds the job back
	OutcomeShared     Outcome = "shared"     // several do: each a part, or only together
	OutcomeNone       Outcome = "none"       // no stage does, at the widths it started with
	OutcomeUnclear    Outcome = "unclear"    // cannot tell for noise
)

// A Comparison is of two settings, run in turns.
type Comparison struct {
	Change string `json:"change"` // in words
	From   Widths `json:"from"`
	To     Widths `json:"to"`
	Rounds int    `json:"rounds"`
	// Before and After are the medians of its own runs with From and with To.
	Before time.Duration `json:"before_ns"`
	After  time.Duration `json:"after_ns"`
	// Gain is how many times as fast To is as From: an estimate, and its bounds. 1 is
	// as fast.
	Gain    float64 `json:"gain"`
	Low     float64 `json:"gain_low"`
	High    float64 `json:"gain_high"`
	Verdict Verdict `json:"verdict"`
}

// A Trial is all runs with the same widths, in whichever comparisons. Where the machine
// was busier in one comparison than in another, trials cannot be held against each other:
// comparisons can, which are made in turns.
type Trial struct {
	Widths Widths          `json:"widths"`
	Walls  []time.Duration `json:"walls_ns"` // in the order they were run
	// Median, and Q1 and Q3, between which the middle half of the runs lies.
	Median time.Duration `json:"median_ns"`
	Q1     time.Duration `json:"q1_ns"`
	Q3     time.Duration `json:"q3_ns"`
}

// A Report is the result of an experiment with all its measurements. It is plain data
// that belongs to the caller.
type Report struct {
	Stages        []Stage `json:"stages"` // with the widths they started with
	PhysicalCores int     `json:"physical_cores"`
	UsableCores   int     `json:"usable_cores"`
	MinGain       float64 `json:"min_gain"`
	Seed          uint64  `json:"seed"`

	Outcome    Outcome  `json:"outcome"`
	Bottleneck string   `json:"bottleneck,omitempty"` // of OutcomeBottleneck
	Shared     []string `json:"shared,omitempty"`     // of OutcomeShared
	// Widths are what is recommended: the smallest of those tried that are as fast as
	// any, the noise apart. Stages of which nothing is known keep what they have.
	Widths Widths `json:"widths"`
	// Gain is how many times as fast Widths are as Over: what it started with or, where a
	// single stage was wide enough then, what is too narrow.
	Gain   float64 `json:"gain"`
	Over   Widths  `json:"over"`
	Reason string  `json:"reason"` // in words

	Comparisons []Comparison `json:"comparisons"` // in the order they were made
	Trials      []Trial      `json:"trials"`
}

// add records a run.
func (r *Report) add(w Widths, wall time.Duration) {
	i := slices.IndexFunc(r.Trials, func(t Trial) bool { return maps.Equal(t.Widths, w) })
	if i < 0 {
		i = len(r.Trials)
		r.Trials = append(r.Trials, Trial{Widths: w})
	}
	r.Trials[i].Walls = append(r.Trials[i].Walls, wall)
}

// sum fills in what follows from the runs.
func (r *Report) sum() {
	for i := range r.Trials {
		t := &r.Trials[i]
		t.Q1, t.Median, t.Q3 = quantile(t.Walls, 0.25), quantile(t.Walls, 0.5), quantile(t.Walls, 0.75)
	}
}

func quantile(walls []time.Duration, q float64) time.Duration {
	values := make([]float64, len(walls))
	for i, wall := range walls {
		values[i] = float64(wall)
	}
	return time.Duration(stat.Quantile(values, q))
}

// words are widths in the order of the stages: "fetch 4, parse 2".
func (r *Report) words(w Widths) string {
	var parts []string
	for _, s := range r.Stages {
		parts = append(parts, fmt.Sprintf("%s %d", s.Name, w[s.Name]))
	}
	return strings.Join(parts, ", ")
}
