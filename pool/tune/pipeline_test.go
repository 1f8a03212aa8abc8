package tune_test

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/pipeline"
	"example.com/handoff/pool/tune"
)

func soak() bool { return os.Getenv("HANDOFF_SOAK") != "" }

// A part is a stage of a made-up pipeline, and what it does for each item.
type part struct {
	tune.Stage
	work func(ctx context.Context)
}

func sleep(d time.Duration) func(context.Context) {
	return func(ctx context.Context) {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
}

// spin computes for a while, however often it is interrupted.
func spin(rounds int) func(context.Context) {
	return func(context.Context) {
		x := uint64(1)
		for range rounds {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		if x == 0 {
			panic("a xorshift never comes to 0")
		}
	}
}

// job runs so many items through a pipeline of these parts.
func job(items int, parts []part) tune.Job {
	return func(ctx context.Context, w tune.Widths) (time.Duration, error) {
		pl := pipeline.New(nil)
		flow := pipeline.From(pl, func(yield func(int) bool) {
			for i := range items {
				if !yield(i) {
					return
				}
			}
		})
		for _, p := range parts {
			flow = pipeline.Go(pl, p.Name, flow, func(ctx context.Context, i int) (int, error) {
				p.work(ctx)
				return i, nil
			}, w[p.Name])
		}
		begun := time.Now()
		err := pipeline.Drain(ctx, flow, func(context.Context, int) error { return nil })
		return time.Since(begun), err
	}
}

func run(t *testing.T, items int, opts *tune.Options, parts ...part) *tune.Report {
	t.Helper()
	var stages []tune.Stage
	for _, p := range parts {
		stages = append(stages, p.Stage)
	}
	r, err := tune.Run(t.Context(), stages, job(items, parts), opts)
	require.NoError(t, err)
	t.Log("\n" + r.String())
	return r
}

func waits(name string, width int, d time.Duration) part {
	return part{tune.Stage{Name: name, Kind: tune.IO, Width: width}, sleep(d)}
}

// Without noise, on the bubble's clock, the answers are exact.
func TestPipelines(t *testing.T) {
	for name, tt := range map[string]struct {
		parts   []part
		outcome tune.Outcome
		stage   string
		shared  []string
		widths  tune.Widths
	}{
		"a slow request": {
			[]part{waits("a", 1, time.Millisecond), waits("b", 1, 30*time.Millisecond), waits("c", 2, time.Millisecond)},
			tune.OutcomeBottleneck, "b", nil, tune.Widths{"a": 1, "b": 32, "c": 2},
		},
		"a wide stage that is short all the same": {
			[]part{waits("a", 1, time.Millisecond), waits("b", 4, 30*time.Millisecond)},
			tune.OutcomeBottleneck, "b", nil, tune.Widths{"a": 1, "b": 32},
		},
		"equal stages": {
			[]part{waits("a", 2, 10*time.Millisecond), waits("b", 1, 5*time.Millisecond), waits("c", 4, time.Millisecond)},
			tune.OutcomeShared, "", []string{"a", "b"}, tune.Widths{"a": 4, "b": 2, "c": 4},
		},
		"a slow sequence": {
			[]part{{tune.Stage{Name: "a", Kind: tune.IO, Width: 200}, sleep(time.Second)}},
			tune.OutcomeNone, "", nil, tune.Widths{"a": 200},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := run(t, 200, &tune.Options{MaxWidth: 512}, tt.parts...)
				require.Equal(t, tt.outcome, r.Outcome, r.Reason)
				require.Equal(t, tt.stage, r.Bottleneck)
				require.Equal(t, tt.shared, r.Shared)
				require.Equal(t, tt.widths, r.Widths)
			})
		})
	}
}

// repeat is once, and ten times of ten in a soak. The machine may be too busy to tell:
// that is an answer, which does not count, with the noise logged. A wrong answer is none.
func repeat(t *testing.T, once func(t *testing.T) (r *tune.Report, right bool, busy string)) {
	times, tries := 1, 1
	if soak() {
		times, tries = 10, 40
	}
	rights := 0
	for range tries {
		r, right, busy := once(t)
		if busy == "" && unclear(r) {
			busy = "it cannot be told from the noise"
		}
		switch {
		case right:
			rights++
		case busy != "":
			t.Logf("the machine is busy, %s: %s", busy, r.Reason)
		default:
			t.Fatalf("after %d right ones: %s, %s, %v: %s", rights, r.Outcome, r.Bottleneck, r.Widths, r.Reason)
		}
		if rights == times {
			return
		}
	}
	if soak() {
		t.Fatalf("the machine was busy in %d of %d tries: leave it alone", tries-rights, tries)
	}
}

func unclear(r *tune.Report) bool {
	if r.Outcome == tune.OutcomeUnclear {
		return true
	}
	last := r.Comparisons[len(r.Comparisons)-1]
	return last.Verdict == tune.Unclear
}

// options are few rounds where other tests run beside this one: then the width may be
// what the machine had left, and TestPipelines is exact about it.
func options(maxWidth int) *tune.Options {
	o := &tune.Options{MinGain: 0.15, MaxWidth: maxWidth}
	if !soak() {
		o.Rounds = 8
	}
	return o
}

// A stage that waits, one item at a time. What comes behind it takes more than a quarter
// as long, so more than 4 at a time gain nothing.
func TestWaitingBottleneck(t *testing.T) {
	repeat(t, func(t *testing.T) (*tune.Report, bool, string) {
		r := run(t, 10, options(8), waits("slow", 1, 5*time.Millisecond), waits("pace", 1, 1400*time.Microsecond))
		return r, r.Bottleneck == "slow" && (r.Widths["slow"] == 4 || !soak()), ""
	})
}

// A stage that computes, one item at a time: as many as there are cores are enough.
func TestComputingBottleneck(t *testing.T) {
	physical, _ := tune.Cores()
	if physical < 2 {
		t.Skip("needs two cores")
	}
	want := 2
	for 2*want <= physical && 2*want <= 4 {
		want *= 2
	}
	compute := spin(1_500_000)
	repeat(t, func(t *testing.T) (*tune.Report, bool, string) {
		r := run(t, 12, options(4), waits("fetch", 2, 200*time.Microsecond), part{tune.Stage{Name: "compute", Kind: tune.CPU, Width: 1}, compute})
		right := r.Bottleneck == "compute" && (r.Widths["compute"] == want || !soak())
		if gain := twoAtATime(compute); !right && r.Outcome == tune.OutcomeNone && gain < 1.5 {
			return r, false, fmt.Sprintf("two goroutines are %.2f times as fast as one", gain)
		}
		for _, trial := range r.Trials { // others have come or gone meanwhile
			if !right && r.Bottleneck != "fetch" && trial.Q3 > trial.Q1*5/4 {
				return r, false, fmt.Sprintf("half of the runs with %v took %v to %v", trial.Widths, trial.Q1, trial.Q3)
			}
		}
		return r, right, ""
	})
}

// twoAtATime is how much faster two goroutines do the work than one, just now: the worst of
// some tries.
func twoAtATime(work func(context.Context)) float64 {
	wall := func(goroutines int) time.Duration {
		begun := time.Now()
		var all sync.WaitGroup
		for range goroutines {
			all.Go(func() {
				for range 12 / goroutines {
					work(context.Background())
				}
			})
		}
		all.Wait()
		return time.Since(begun)
	}
	worst := 2.0
	for range 3 {
		one := wall(1)
		worst = min(worst, float64(one)/float64(wall(2)))
	}
	return worst
}

// Two stages that are equally short, by the clock.
func TestEqualStages(t *testing.T) {
	if !soak() {
		t.Skip("HANDOFF_SOAK is not set: the bubble's clock has it")
	}
	repeat(t, func(t *testing.T) (*tune.Report, bool, string) {
		r := run(t, 24, options(8), waits("a", 1, 6*time.Millisecond), waits("b", 1, 6*time.Millisecond), waits("c", 4, 200*time.Microsecond))
		return r, r.Outcome == tune.OutcomeShared && len(r.Shared) == 2, ""
	})
}
