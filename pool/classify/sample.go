package classify

import (
	"fmt"
	"time"

	"example.com/handoff/bench/stat"
)

// A sample is one measured stretch of time.
type sample struct {
	wall  time.Duration
	calls int
	own   usage // of the thread, or of the command and its descendants
	all   usage // of this process; zero for a command

	// Of a command: the CPU time of descendants whose parent had ended, which is in own, and
	// that of which nobody knows how long it waited for a core.
	orphans, waitUnknown time.Duration
}

type usage struct {
	cpu    time.Duration
	wait   time.Duration // ready to run, but without a core
	counts kernelCounts
}

func (u usage) minus(b usage) usage {
	c, d := u.counts, b.counts
	return usage{u.cpu - b.cpu, u.wait - b.wait,
		kernelCounts{c.voluntary - d.voluntary, c.involuntary - d.involuntary, c.minor - d.minor, c.major - d.major}}
}

// kernelCounts are context switches (voluntary, involuntary) and page faults (minor, major).
type kernelCounts struct{ voluntary, involuntary, minor, major int64 }

func (s sample) tooShort(least time.Duration, command bool) error {
	remedy := "give it more data"
	if !command {
		remedy += " or raise MaxCalls"
	}
	return fmt.Errorf("%w: %d calls took %s with %s of CPU time, at least %s is needed; %s",
		ErrTooShort, s.calls, text(s.wall), text(s.own.cpu), text(least), remedy)
}

// text writes a duration for people: "1.20 ms".
func text(d time.Duration) string { return stat.Time(float64(d)) }

type samples []sample

// each is one figure of every sample.
func (all samples) each(f func(s sample) float64) []float64 {
	figures := make([]float64, len(all))
	for i, s := range all {
		figures[i] = f(s)
	}
	return figures
}

// perCall is the median of a figure for one call.
func (all samples) perCall(f func(s sample) float64) float64 {
	return stat.Median(all.each(func(s sample) float64 { return f(s) / float64(s.calls) }))
}

// time is perCall of a duration.
func (all samples) time(f func(s sample) time.Duration) time.Duration {
	return time.Duration(all.perCall(func(s sample) float64 { return float64(f(s)) }))
}
