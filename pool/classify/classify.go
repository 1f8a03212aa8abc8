package classify

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Workload says what a stage does with its time.
type Workload string

// The classes, by the ratio of CPU time to wall time on a machine where a core is free
// whenever one is asked for.
const (
	WorkloadIO    Workload = "io"    // below 0.4: it waits
	WorkloadMixed Workload = "mixed" // from 0.4 to 0.7, both included
	WorkloadCPU   Workload = "cpu"   // above 0.7: it computes
)

const ioBelow, cpuAbove = 0.4, 0.7

func workloadOf(cpuToWall float64) Workload {
	switch {
	case cpuToWall < ioBelow:
		return WorkloadIO
	case cpuToWall > cpuAbove:
		return WorkloadCPU
	}
	return WorkloadMixed
}

// A Route says where a stage should run.
type Route string

// The routes.
const (
	RouteGoroutine Route = "goroutine" // in this process
	RouteProcess   Route = "process"   // in worker processes
	RouteSplit     Route = "split"     // in two stages with a queue between them
)

// A Clock names whose CPU time was counted.
type Clock string

// The clocks.
const (
	ClockThread  Clock = "thread"  // the OS thread the function was locked to
	ClockProcess Clock = "process" // this whole process, because the function computes on other threads
	ClockChild   Clock = "child"   // the command and its descendants
)

// ErrTooShort is returned when a measured run was so short that the
// resolution of the CPU clock, or the start of a command, would decide the
// class. Retrying helps only with more data per run; the text gives the figures.
var ErrTooShort = errors.New("classify: sample too short to judge")

// Options tunes a measurement. Nil or zero works.
type Options struct {
	// Repeats is the number of samples; the figures are their medians. Zero
	// means 3, a negative number is a caller's mistake.
	Repeats int
	// MinSample is the shortest wall time of a sample that is judged. Zero
	// means 50 ms for a function: reading the process clock may miss up to
	// one scheduler tick (1 to 10 ms) of each other thread. Zero means 20 ms
	// for a command: its start costs about 1 ms of CPU. Less than 1 ms
	// counts as 1 ms; a negative duration is a caller's mistake.
	MinSample time.Duration
	// MaxCalls bounds how often a function is called to fill one sample. Zero
	// means as often as MinSample takes; 1 means never twice. A negative
	// number is a caller's mistake. A command runs once per sample.
	MaxCalls int

	// What the stage asks for beyond speed and only a process gives. Any of
	// them sends a computing stage to a process.
	MayCrash      bool // a crash must not end the job
	Cgo           bool // it calls C, whose faults recover cannot catch
	KillSwitch    bool // it must be killable at a deadline
	MemoryCeiling bool // it must not take more than so much memory
	OwnGC         bool // its garbage must not slow the rest down
	Foreign       bool // it is not Go; implied for a command

	// Planned is where the stage runs now, or is meant to. "" is nowhere yet; a
	// function of [Func] is meant for a process. A stage that waits and is planned
	// for a process draws a warning.
	Planned Route
	// Clock is whose CPU time is judged. "" finds out: the thread's, or the process's
	// where other threads computed while the function ran. ClockProcess is for
	// functions of which it is known that they work on other goroutines. A command
	// has its own.
	Clock Clock

	// PayloadBytes is what one call is handed and returns by value, RefBytes what it
	// is in arrays that are in shared memory already. The prices depend on them,
	// and, with Costs, what is said about handing a Ref over. If both are 0, [Call]
	// and [Fn] measure what gob makes of the argument and the result.
	PayloadBytes, RefBytes int64
	// Costs prices the routes. Nil means that no price is given, and the reason
	// says so. It is read during the call and not kept.
	Costs *Costs
}

// A Verdict is what was measured, what follows from it, and why. Times
// are in seconds and per call; ratios have no unit. Figures of several samples
// are medians.
type Verdict struct {
	WallS float64 `json:"wall_s"`
	CPUS  float64 `json:"cpu_s"` // by Clock
	// CPUToWall decides the class. It is what an idle machine would show: of the wall time
	// what was spent ready to run without a core (CPUWaitS) is left out, but no more than
	// the same time with all of that as CPU time would give. The median of the samples;
	// above 1 if several threads compute.
	CPUToWall    float64 `json:"cpu_to_wall"`
	CPUToWallMin float64 `json:"cpu_to_wall_min"`
	CPUToWallMax float64 `json:"cpu_to_wall_max"`

	Class       Workload `json:"class"`
	ClassReason string   `json:"class_reason"` // with the figures
	Route       Route    `json:"route"`
	RouteReason string   `json:"route_reason"`
	Reason      string   `json:"reason"` // both, and what else there is to say, in one sentence
	Clock       Clock    `json:"clock"`

	Repeats int `json:"repeats"` // samples taken
	Calls   int `json:"calls"`   // calls in all samples together

	ThreadCPUS  float64 `json:"thread_cpu_s,omitempty"`  // of a function's own thread
	ProcessCPUS float64 `json:"process_cpu_s,omitempty"` // of the whole process meanwhile
	// CPUWaitS is how long the thread or, by the process and the child clock, all threads
	// together were ready to run and had no core. Of a command it is what was seen of its
	// processes, every 20 ms and at its end.
	CPUWaitS float64 `json:"cpu_wait_s,omitempty"`
	// OrphanCPUS is what is in CPUS of descendants of a command whose parent had ended
	// without waiting for them, as seen every 20 ms and at its end.
	OrphanCPUS float64 `json:"orphan_cpu_s,omitempty"`

	// Per call, and of what Clock says. A context switch is voluntary when the
	// thread had to wait for something, else the kernel gave its core to another. A
	// page fault is major when the page had to be read from a disk.
	VoluntarySwitches   float64 `json:"voluntary_switches"`
	InvoluntarySwitches float64 `json:"involuntary_switches"`
	MinorFaults         float64 `json:"minor_faults"`
	MajorFaults         float64 `json:"major_faults"`

	// GCShare is the garbage collector's part of the CPU time of this process during
	// all samples, by the collections that ended in them. Nil for a command.
	GCShare  *float64 `json:"gc_share,omitempty"`
	GCCycles uint64   `json:"gc_cycles,omitempty"`

	// Payload is nil where nothing is known of it.
	Payload *Payload `json:"payload,omitempty"`
	// PriceNs is what handing one call over by Route costs, and Prices what it costs
	// by each route; 0 and none if unknown.
	PriceNs float64 `json:"price_ns,omitempty"`
	Prices  []Price `json:"prices,omitempty"`

	Warnings []string `json:"warnings,omitempty"`
}

// Func runs fn on this machine and says whether it computes or waits and
// where it should run. Give it representative data and an otherwise idle
// process: goroutines that do not belong to fn are counted as its own when
// they are busy.
//
// Each sample runs fn on a fresh goroutine locked to its OS thread, again and
// again until the sample is long enough (see MaxCalls), so fn must bear being
// repeated. What one call costs includes about 0.1 µs of measuring. There is
// no warm-up: the median leaves a cold first sample out. Calls are one after
// another, but several measurements at once disturb each other's figures.
//
// ctx is passed to fn, and its end ends Func at once with ctx.Err(). A
// goroutine cannot be killed: if fn ignores ctx it runs on, unobserved, and
// what it uses must stay valid. The other errors are what fn returned
// (wrapped), a panic of fn with its value and stack, fn calling
// runtime.Goexit, ErrTooShort, and errors.ErrUnsupported on systems
// other than Linux. Func panics if fn is nil or an option is negative.
func Func(ctx context.Context, fn func(context.Context) error, opts *Options) (Verdict, error) {
	if fn == nil {
		panic("classify: Func: fn is nil")
	}
	o := opts.withDefaults(functionSample)
	return measure(ctx, o, false, func() (cpuSample, error) { return sampleFunc(ctx, fn, o) }, nil)
}

// Command is [Func] for an external command: argv[0] is looked up in
// PATH and run once per sample, in the caller's directory and environment,
// with empty input and its output discarded. Being foreign, it routes to a
// process when it computes.
//
// The command gets a process group of its own. When it exits, and when ctx
// ends, all that is left in that group is killed; a descendant that moved to
// another group is not. Descendants are counted as well: those that were waited for by
// their usage, others by looking at them while they run, which misses what lives less
// than 20 ms or is a daemon from its start. It returns when the command is
// gone: with ctx.Err() if ctx ended, an *exec.ExitError if it failed, or the
// error of starting it, each wrapped with the last lines of its stderr,
// escaped; otherwise the errors are those of Func.
func Command(ctx context.Context, argv []string, opts *Options) (Verdict, error) {
	if len(argv) == 0 {
		return Verdict{}, errors.New("classify: no command given")
	}
	o := opts.withDefaults(20 * time.Millisecond)
	o.Foreign = true
	return measure(ctx, o, true, func() (cpuSample, error) { return sampleCommand(ctx, argv) }, nil)
}

func (opts *Options) withDefaults(minSample time.Duration) Options {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Repeats < 0 || o.MinSample < 0 || o.MaxCalls < 0 || o.PayloadBytes < 0 || o.RefBytes < 0 {
		panic(fmt.Sprintf("classify: Options: negative value in Repeats %d, MinSample %v, MaxCalls %d, PayloadBytes %d, RefBytes %d",
			o.Repeats, o.MinSample, o.MaxCalls, o.PayloadBytes, o.RefBytes))
	}
	if o.Repeats == 0 {
		o.Repeats = 3
	}
	if o.MinSample == 0 {
		o.MinSample = minSample
	}
	o.MinSample = max(o.MinSample, time.Millisecond)
	return o
}

// A cpuSample is one measured stretch of time with its CPU time.
type cpuSample struct {
	wall    time.Duration
	cpu     time.Duration // of the thread, or of the child
	process time.Duration // of this process; 0 for a command
	cpuWait time.Duration // ready to run, but without a core
	allWait time.Duration // the same of all threads of this process together
	calls   int

	// Of a command: the CPU time of descendants whose parent had ended, which is in cpu,
	// and that of which nobody knows how long it waited for a core.
	orphans, waitUnknown time.Duration

	own, all kernelCounts // of the thread or the child, and of this process
}

// kernelCounts are what the kernel counts beside the time.
type kernelCounts struct{ voluntary, involuntary, minor, major int64 }

func (c kernelCounts) minus(b kernelCounts) kernelCounts {
	return kernelCounts{c.voluntary - b.voluntary, c.involuntary - b.involuntary, c.minor - b.minor, c.major - b.major}
}

// measure takes the samples and judges them. payload, if not nil, measures what the
// last call was handed, unless o says it; its error is a warning.
func measure(ctx context.Context, o Options, command bool, sample func() (cpuSample, error), payload func() (*Payload, error)) (Verdict, error) {
	var samples []cpuSample
	before := readGC()
	for range o.Repeats {
		if err := ctx.Err(); err != nil {
			return Verdict{}, fmt.Errorf("classify: %w", err)
		}
		s, err := sample()
		if err != nil {
			return Verdict{}, err
		}
		if s.wall < o.MinSample {
			mend := "give it more data"
			if !command {
				mend += " or raise MaxCalls"
			}
			return Verdict{}, fmt.Errorf("%w: %d calls took %v with %v of CPU, at least %v is needed; %s",
				ErrTooShort, s.calls, s.wall, s.cpu, o.MinSample, mend)
		}
		samples = append(samples, s)
	}
	collected := readGC().minus(before)
	known := o.payload()
	var unknown []string
	if known == nil && payload != nil {
		var err error
		if known, err = payload(); err != nil {
			unknown = append(unknown, err.Error())
		}
	}
	c := judge(samples, o, command, collected, known)
	c.Warnings = append(c.Warnings, unknown...)
	return c, nil
}
