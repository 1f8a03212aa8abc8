package classify

import (
	"fmt"
	"time"

	"example.com/handoff/bench/cost"
)

// Options tunes a measurement. Nil or zero works; a negative number is an error.
type Options struct {
	// Repeats is the number of samples; the figures are their medians. Zero means 3.
	Repeats int
	// MinSample is the shortest wall time of a sample that is judged. Zero means 50 ms for
	// a function: reading the process clock may miss up to one scheduler tick (1 to 10 ms)
	// of each other thread. Zero means 20 ms for a command: its start costs about 1 ms of
	// CPU. Less than 1 ms counts as 1 ms.
	MinSample time.Duration
	// MaxCalls bounds how often a function is called to fill one sample. Zero means as
	// often as MinSample takes; 1 means never twice. A command runs once per sample.
	MaxCalls int

	// What the work asks for beyond speed and only a process gives. Any of them sends work
	// that computes to a process.
	MayCrash      bool // a crash must not end the job
	Cgo           bool // it calls C, whose faults recover cannot catch
	KillSwitch    bool // it must be killable at a deadline
	MemoryCeiling bool // it must not take more than so much memory
	OwnGC         bool // its garbage must not slow the rest down
	Foreign       bool // it is not Go; implied for a command

	// Planned is where the work runs now, or is meant to. "" is nowhere yet; [Fn] takes a
	// process for granted. Work that waits and is planned for a process draws a warning.
	Planned Route
	// Clock is whose CPU time is judged. "" finds out: the thread's, or the process's where
	// other threads computed while the function ran. ClockProcess is for functions of which
	// it is known that they work on other goroutines. A command has its own.
	Clock Clock

	// PayloadBytes is what one call is handed and returns by value, RefBytes what it is in
	// arrays that are in shared memory already. The prices depend on them, and, with Costs,
	// the Advice. If both are 0, [Call] and [Fn] measure what gob
	// makes of the argument and the result.
	PayloadBytes, RefBytes int64
	// Tasks is how many such calls are in a job, TasksPerValue how many of them are handed
	// the same value. They are for the Advice; 0 is unknown, and one.
	Tasks, TasksPerValue int
	// Costs prices the ways and routes. Nil means that no price is given, and the reason says so. It
	// is read during the call and not kept.
	Costs *cost.Costs

	inPlace bool // the argument and the result can be made in shared memory
}

func (opts *Options) withDefaults(minSample time.Duration) (o Options, err error) {
	if opts != nil {
		o = *opts
	}
	if o.Repeats < 0 || o.MinSample < 0 || o.MaxCalls < 0 || o.PayloadBytes < 0 || o.RefBytes < 0 || o.Tasks < 0 || o.TasksPerValue < 0 {
		return o, fmt.Errorf("classify: Options: negative value in Repeats %d, MinSample %v, MaxCalls %d, PayloadBytes %d, RefBytes %d, Tasks %d, TasksPerValue %d",
			o.Repeats, o.MinSample, o.MaxCalls, o.PayloadBytes, o.RefBytes, o.Tasks, o.TasksPerValue)
	}
	if o.Repeats == 0 {
		o.Repeats = 3
	}
	if o.MinSample == 0 {
		o.MinSample = minSample
	}
	o.MinSample = max(o.MinSample, time.Millisecond)
	return o, nil
}
