package tune

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"
)

// A Kind says what a stage does for most of its time. It decides the width it starts with.
type Kind string

const (
	CPU Kind = "cpu" // it computes: as wide as there are physical cores
	IO  Kind = "io"  // it waits: twice the usable cores
)

// ErrOptions: stages or options are not what [Run] takes; nothing was run.
var ErrOptions = errors.New("refused")

// A Stage is a part of a job whose width can be changed.
type Stage struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Width is what it starts with. 0: what its kind says, or less where half of
	// Options.MaxWidth is less.
	Width int `json:"width"`
}

// Widths gives, for the name of each stage, the number of items that it works on at a
// time, 1 or more.
type Widths map[string]int

// A Job runs the whole job once with these widths and returns its wall-clock: more than
// 0, and without what is not part of it, as the making of inputs. It ends early with
// ctx. It must do the same work each time. It may keep widths.
type Job func(ctx context.Context, widths Widths) (time.Duration, error)

// Options steer an experiment. The zero value and nil work.
type Options struct {
	// Rounds is the most rounds of one comparison. 0: as many as the test needs for an
	// answer in quiet, and three times as many in noise (24 for two or three stages). Less than
	// the test needs at all (7 for three stages) is an error.
	Rounds int
	// MaxWidth is the greatest width that is tried, 2 or more. 0: of a stage that
	// computes four times the usable cores, of one that waits 64 times, or twice what
	// it starts with if that is more.
	MaxWidth int
	// MinGain is the least gain that is worth a name, as a share: 0.05 is 5 %, the
	// default for 0.
	MinGain float64
	// Seed decides the order of the runs. 0: a random one, which the Report tells.
	Seed uint64
	// Progress, if set, is called before each run.
	Progress func(Progress)
}

// Progress describes the run that is about to begin.
type Progress struct {
	Doing string // the comparison, in words
	Run   int    // in all, from 1
	Round int    // of this comparison, from 1
	Most  int    // rounds it takes at most
	// Done is the share of the whole experiment that is done if every comparison that may
	// be needed takes all its rounds. It never falls.
	Done float64
}

const (
	errorRate      = 0.05 // of naming a bottleneck where there is none
	defaultMinGain = 0.05
	mostRounds     = 200
	mostWidth      = 1 << 20
)

// A tuner is one experiment.
type tuner struct {
	stages []Stage
	job    Job
	opts   Options
	plan   schedule
	random *rand.Rand
	report *Report
	runs   int
	steps  int // comparisons that were begun
	most   int // that there may be
}

// Run makes the experiment. The stages are at least one, with names that differ. ctx ends
// it early. With an error of the job, or of ctx, there is a Report with the trials so far
// and nothing concluded.
func Run(ctx context.Context, stages []Stage, job Job, opts *Options) (*Report, error) {
	t := &tuner{job: job, report: &Report{}}
	if opts != nil {
		t.opts = *opts
	}
	if err := t.check(stages); err != nil {
		return nil, fmt.Errorf("tune: %w: %w", ErrOptions, err)
	}
	physical, usable := Cores()
	t.report.PhysicalCores, t.report.UsableCores = physical, usable
	for _, s := range stages {
		s, err := t.start(s, physical, usable)
		if err != nil {
			return nil, fmt.Errorf("tune: %w: %w", ErrOptions, err)
		}
		t.stages = append(t.stages, s)
	}
	t.report.Stages = t.stages
	t.report.Seed = t.opts.Seed
	t.report.MinGain = t.opts.MinGain
	err := t.run(ctx)
	t.report.sum()
	return t.report, err
}

func (t *tuner) check(stages []Stage) error {
	o := &t.opts
	switch {
	case t.job == nil:
		return errors.New("the job is nil")
	case len(stages) == 0:
		return errors.New("there is no stage")
	case o.Rounds < 0 || o.Rounds > mostRounds:
		return fmt.Errorf("%d rounds: expected 1 to %d, or 0 for the default", o.Rounds, mostRounds)
	case o.MaxWidth < 0 || o.MaxWidth == 1 || o.MaxWidth > mostWidth:
		return fmt.Errorf("greatest width %d: expected 2 to %d, or 0 for the default", o.MaxWidth, mostWidth)
	case !(o.MinGain >= 0 && o.MinGain < 10):
		return fmt.Errorf("least gain %v: expected a share of 0 or more, as 0.05", o.MinGain)
	}
	names := map[string]bool{}
	for _, s := range stages {
		if s.Name == "" || names[s.Name] {
			return fmt.Errorf("stage %q: names are needed, and must differ", s.Name)
		}
		names[s.Name] = true
	}
	if o.MinGain == 0 {
		o.MinGain = defaultMinGain
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	t.random = rand.New(rand.NewPCG(o.Seed, 0))
	var err error
	t.plan, err = planFor(len(stages)+1, o.Rounds)
	return err
}

// start is s with the width it starts with.
func (t *tuner) start(s Stage, physical, usable int) (Stage, error) {
	first := physical
	switch s.Kind {
	case CPU:
	case IO:
		first = 2 * usable
	default:
		return s, fmt.Errorf("stage %q: kind %q, expected %q or %q", s.Name, s.Kind, CPU, IO)
	}
	if s.Width == 0 {
		s.Width = first
		if t.opts.MaxWidth > 0 {
			s.Width = min(s.Width, t.opts.MaxWidth/2)
		}
	}
	if half := t.widest(s) / 2; s.Width < 0 || s.Width > half {
		return s, fmt.Errorf("stage %q starts with width %d: expected 1 to %d, half of the greatest width", s.Name, s.Width, half)
	}
	return s, nil
}

// widest is the greatest width that is tried.
func (t *tuner) widest(s Stage) int {
	if t.opts.MaxWidth > 0 {
		return t.opts.MaxWidth
	}
	_, usable := Cores()
	factor := 4
	if s.Kind == IO {
		factor = 64
	}
	return min(max(factor*usable, 2*min(s.Width, mostWidth)), mostWidth)
}

// run is the experiment itself.
func (t *tuner) run(ctx context.Context) error {
	start := Widths{}
	for _, s := range t.stages {
		start[s.Name] = s.Width
	}
	t.report.Widths, t.report.Over, t.report.Gain = start, start, 1
	t.most = t.mostSteps()
	t.progress("warming up", 1, 1)
	if _, err := t.once(ctx, start); err != nil { // not counted
		return err
	}
	var variants []variant
	for _, s := range t.stages {
		variants = append(variants, variant{"double " + s.Name, start, double(start, s.Name)})
	}
	alone, err := t.compare(ctx, variants)
	if err != nil {
		return err
	}
	best := t.best(alone)
	switch {
	case best >= 0:
		rival := slices.IndexFunc(alone, func(c Comparison) bool {
			return c.Change != alone[best].Change && c.Verdict == Faster && c.High >= alone[best].Low
		})
		if rival >= 0 {
			t.shared(alone, best)
			return nil
		}
		t.report.Outcome, t.report.Bottleneck = OutcomeBottleneck, t.stages[best].Name
		return t.widen(ctx, t.stages[best], start, alone)
	case len(t.stages) > 1:
		return t.together(ctx, start, alone)
	case alone[0].Verdict == NoFaster:
		t.report.Outcome = OutcomeNone
		return t.narrow(ctx, t.stages[0], start, alone)
	}
	t.unclear(alone)
	return nil
}

// best is the variant that is faster by most, or -1.
func (t *tuner) best(list []Comparison) int {
	best := -1
	for i, c := range list {
		if c.Verdict == Faster && (best < 0 || c.Gain > list[best].Gain) {
			best = i
		}
	}
	return best
}

// together looks for stages that hold the job back only together.
func (t *tuner) together(ctx context.Context, start Widths, alone []Comparison) error {
	all := start
	for _, s := range t.stages {
		all = double(all, s.Name)
	}
	both, err := t.compare(ctx, []variant{{"double all", start, all}})
	if err != nil {
		return err
	}
	clear := !slices.ContainsFunc(alone, func(c Comparison) bool { return c.Verdict == Unclear })
	switch {
	case both[0].Verdict == NoFaster:
		t.none(both[0])
		return nil
	case both[0].Verdict == Unclear || !clear:
		t.unclear(append(alone, both...))
		return nil
	}
	var without []variant
	for _, s := range t.stages {
		less := maps.Clone(all)
		less[s.Name] = s.Width
		without = append(without, variant{"double " + s.Name + " as the last", less, all})
	}
	needed, err := t.compare(ctx, without)
	if err != nil {
		return err
	}
	t.needed(start, both[0], needed)
	return nil
}

func double(w Widths, name string) Widths {
	w = maps.Clone(w)
	w[name] *= 2
	return w
}
