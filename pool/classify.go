package pool

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// A StageClass says what a stage does with its time.
type StageClass string

// The classes, by the ratio of CPU time to wall time.
const (
	ClassIO    StageClass = "io"    // below 0.4: it waits
	ClassMixed StageClass = "mixed" // from 0.4 to 0.7, both included
	ClassCPU   StageClass = "cpu"   // above 0.7: it computes
)

const ioBelow, cpuAbove = 0.4, 0.7

// A Route says where a stage should run.
type Route string

// The routes.
const (
	RouteGoroutine Route = "goroutine" // in this process
	RouteProcess   Route = "process"   // in worker processes
	RouteSplit     Route = "split"     // in two stages with a Queue between them
)

// A CPUClock names whose CPU time was counted.
type CPUClock string

// The clocks.
const (
	ClockThread  CPUClock = "thread"  // the OS thread the function was locked to
	ClockProcess CPUClock = "process" // this whole process, because the function computes on other threads
	ClockChild   CPUClock = "child"   // the command and the descendants it waited for
)

// ErrSampleTooShort is returned when a measured run was so short that the
// resolution of the CPU clock, or the start of a command, would decide the
// class. Retrying helps only with more data per run; the text gives the figures.
var ErrSampleTooShort = errors.New("pool: sample too short to judge")

// A RouteCost is the price of handing one call over: FixedNs nanoseconds plus
// NsPerByte for each byte of payload. A cost that is zero in both, negative or
// not a finite number counts as not measured.
type RouteCost struct {
	FixedNs   float64 `json:"fixed_ns"`
	NsPerByte float64 `json:"ns_per_byte"`
}

// Costs is what each route costs on one machine: plain data, filled by
// whoever measures it. Classify only reads it.
type Costs struct {
	Goroutine  RouteCost `json:"goroutine"`
	Process    RouteCost `json:"process"`
	Split      RouteCost `json:"split"`
	MeasuredAt time.Time `json:"measured_at"`
}

// price returns the nanoseconds per call of route r, or false if unknown.
func (c *Costs) price(r Route, payloadBytes int64) (float64, bool) {
	if c == nil {
		return 0, false
	}
	rc := map[Route]RouteCost{RouteGoroutine: c.Goroutine, RouteProcess: c.Process, RouteSplit: c.Split}[r]
	ns := rc.FixedNs + rc.NsPerByte*float64(payloadBytes)
	return ns, rc != RouteCost{} && rc.FixedNs >= 0 && rc.NsPerByte >= 0 && !math.IsInf(ns, 0)
}

// ClassifyOptions tunes Classify and ClassifyCommand. Nil or zero works.
type ClassifyOptions struct {
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

	// PayloadBytes is what one call is handed and returns. Only the price
	// depends on it.
	PayloadBytes int64
	// Costs prices the route. Nil means that no price is given, and the
	// reason says so. It is read during the call and not kept.
	Costs *Costs
}

// A Classification is what was measured, what follows from it, and why. Times
// are in seconds and per call; ratios have no unit.
type Classification struct {
	WallS        float64 `json:"wall_s"`
	CPUS         float64 `json:"cpu_s"`       // by Clock
	CPUToWall    float64 `json:"cpu_to_wall"` // median of the samples' ratios; above 1 if several threads compute
	CPUToWallMin float64 `json:"cpu_to_wall_min"`
	CPUToWallMax float64 `json:"cpu_to_wall_max"`

	Class  StageClass `json:"class"`
	Route  Route      `json:"route"`
	Reason string     `json:"reason"` // one sentence, with the figures
	Clock  CPUClock   `json:"clock"`

	Repeats int `json:"repeats"` // samples taken
	Calls   int `json:"calls"`   // calls in all samples together

	ThreadCPUS  float64 `json:"thread_cpu_s,omitempty"`  // of a function's own thread
	ProcessCPUS float64 `json:"process_cpu_s,omitempty"` // of the whole process meanwhile
	// CPUWaitS is how long the thread, or the command's first thread, was
	// ready to run and had no core. It makes the ratio too small.
	CPUWaitS float64 `json:"cpu_wait_s,omitempty"`
	// PriceNs is what handing one call over by Route costs; 0 if unknown.
	PriceNs float64 `json:"price_ns,omitempty"`
}

// Classify runs fn on this machine and says whether it computes or waits and
// where it should run. Give it representative data and an otherwise idle
// process: goroutines that do not belong to fn are counted as its own when
// they are busy.
//
// Each sample runs fn on a fresh goroutine locked to its OS thread, again and
// again until the sample is long enough (see MaxCalls), so fn must bear being
// repeated. What one call costs includes about 0.1 µs of measuring. There is
// no warm-up: the median leaves a cold first sample out. Calls are one after
// another, but several Classify at once disturb each other's figures.
//
// ctx is passed to fn, and its end ends Classify at once with ctx.Err(). A
// goroutine cannot be killed: if fn ignores ctx it runs on, unobserved, and
// what it uses must stay valid. The other errors are what fn returned
// (wrapped), a panic of fn with its value and stack, fn calling
// runtime.Goexit, ErrSampleTooShort, and errors.ErrUnsupported on systems
// other than Linux. Classify panics if fn is nil or an option is negative.
func Classify(ctx context.Context, fn func(context.Context) error, opts *ClassifyOptions) (Classification, error) {
	if fn == nil {
		panic("pool: Classify: fn is nil")
	}
	o := opts.withDefaults(50 * time.Millisecond)
	return classify(ctx, o, false, func() (cpuSample, error) { return sampleFunc(ctx, fn, o) })
}

// ClassifyCommand is Classify for an external command: argv[0] is looked up in
// PATH and run once per sample, in the caller's directory and environment,
// with empty input and its output discarded. Being foreign, it routes to a
// process when it computes.
//
// The command gets a process group of its own. When it exits, and when ctx
// ends, all that is left in that group is killed; a descendant that moved to
// another group is neither killed nor counted. It returns when the command is
// gone: with ctx.Err() if ctx ended, an *exec.ExitError if it failed, or the
// error of starting it, each wrapped with the last lines of its stderr,
// escaped; otherwise the errors are those of Classify.
func ClassifyCommand(ctx context.Context, argv []string, opts *ClassifyOptions) (Classification, error) {
	if len(argv) == 0 {
		return Classification{}, errors.New("pool: classify: no command given")
	}
	o := opts.withDefaults(20 * time.Millisecond)
	o.Foreign = true
	return classify(ctx, o, true, func() (cpuSample, error) { return sampleCommand(ctx, argv) })
}

func (opts *ClassifyOptions) withDefaults(minSample time.Duration) ClassifyOptions {
	var o ClassifyOptions
	if opts != nil {
		o = *opts
	}
	if o.Repeats < 0 || o.MinSample < 0 || o.MaxCalls < 0 || o.PayloadBytes < 0 {
		panic(fmt.Sprintf("pool: ClassifyOptions: negative value in Repeats %d, MinSample %v, MaxCalls %d, PayloadBytes %d",
			o.Repeats, o.MinSample, o.MaxCalls, o.PayloadBytes))
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
	calls   int
}

func classify(ctx context.Context, o ClassifyOptions, command bool, sample func() (cpuSample, error)) (Classification, error) {
	var samples []cpuSample
	for range o.Repeats {
		if err := ctx.Err(); err != nil {
			return Classification{}, fmt.Errorf("pool: classify: %w", err)
		}
		s, err := sample()
		if err != nil {
			return Classification{}, err
		}
		if s.wall < o.MinSample {
			mend := "give it more data"
			if !command {
				mend += " or raise MaxCalls"
			}
			return Classification{}, fmt.Errorf("%w: %d calls took %v with %v of CPU, at least %v is needed; %s",
				ErrSampleTooShort, s.calls, s.wall, s.cpu, o.MinSample, mend)
		}
		samples = append(samples, s)
	}
	return judge(samples, o, command), nil
}

// judge turns samples, none of them of zero length, into a verdict.
func judge(samples []cpuSample, o ClassifyOptions, command bool) Classification {
	// per collects one figure of all samples, sorted.
	per := func(f func(s cpuSample) float64) []float64 {
		var all []float64
		for _, s := range samples {
			all = append(all, f(s))
		}
		slices.Sort(all)
		return all
	}
	perCall := func(d time.Duration, s cpuSample) float64 { return d.Seconds() / float64(s.calls) }

	c := Classification{Clock: ClockThread, Repeats: len(samples)}
	for _, s := range samples {
		c.Calls += s.calls
	}
	c.WallS = middle(per(func(s cpuSample) float64 { return perCall(s.wall, s) }))
	c.CPUWaitS = middle(per(func(s cpuSample) float64 { return perCall(s.cpuWait, s) }))
	cpu := func(s cpuSample) time.Duration { return s.cpu }
	if command {
		c.Clock = ClockChild
	} else {
		c.ThreadCPUS = middle(per(func(s cpuSample) float64 { return perCall(s.cpu, s) }))
		c.ProcessCPUS = middle(per(func(s cpuSample) float64 { return perCall(s.process, s) }))
		// Below a fifth of the wall time it may be the runtime's own threads
		// or an unread tick, and it is too little to carry io over into cpu.
		if middle(per(func(s cpuSample) float64 { return (s.process - s.cpu).Seconds() / s.wall.Seconds() })) > 0.2 {
			c.Clock = ClockProcess
			cpu = func(s cpuSample) time.Duration { return s.process }
		}
	}
	c.CPUS = middle(per(func(s cpuSample) float64 { return perCall(cpu(s), s) }))
	ratios := per(func(s cpuSample) float64 { return cpu(s).Seconds() / s.wall.Seconds() })
	c.CPUToWall, c.CPUToWallMin, c.CPUToWallMax = middle(ratios), ratios[0], ratios[len(ratios)-1]
	c.Class = classOf(c.CPUToWall)
	c.explain(o)
	return c
}

func classOf(cpuToWall float64) StageClass {
	switch {
	case cpuToWall < ioBelow:
		return ClassIO
	case cpuToWall > cpuAbove:
		return ClassCPU
	}
	return ClassMixed
}

// middle is the median of sorted numbers, of which there is at least one.
func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// explain sets the route, its price and the reason for both.
func (c *Classification) explain(o ClassifyOptions) {
	var needs []string
	for _, n := range []struct {
		asked bool
		text  string
	}{
		{o.Foreign, "is not Go"},
		{o.MayCrash, "may crash"},
		{o.Cgo, "calls C"},
		{o.KillSwitch, "needs a kill switch"},
		{o.MemoryCeiling, "needs a memory ceiling"},
		{o.OwnGC, "needs a garbage collector of its own"},
	} {
		if n.asked {
			needs = append(needs, n.text)
		}
	}
	need := strings.Join(needs, " and ")

	var why []string
	say := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	figures := fmt.Sprintf("%.3g s of CPU (%s clock) in %.3g s is %.3f,", c.CPUS, c.Clock, c.WallS, c.CPUToWall)
	switch {
	case c.Class == ClassIO:
		c.Route = RouteGoroutine
		say("it waits: %s below %.1f, so goroutines overlap the waits and a process would buy no time", figures, ioBelow)
		if c.Clock != ClockChild && need != "" {
			say("it %s, though, and that only a process contains", need)
		}
	case c.Class == ClassMixed:
		c.Route = RouteSplit
		say("it both waits and computes: %s between %.1f and %.1f, so split the two or decouple them through a queue", figures, ioBelow, cpuAbove)
		if need != "" {
			say("its computing part belongs in a process because it %s", need)
		}
	case need != "":
		c.Route = RouteProcess
		say("it computes: %s above %.1f, and it %s, which a process contains", figures, cpuAbove, need)
	default:
		c.Route = RouteGoroutine
		say("it computes: %s above %.1f, and a goroutine is the cheapest place because Go has no interpreter lock and goroutines use all cores", figures, cpuAbove)
	}
	if c.Clock == ClockProcess {
		say("its own thread used %.3g s and the process %.3g s, so it starts goroutines, or others of this process were busy", c.ThreadCPUS, c.ProcessCPUS)
	}
	if classOf(c.CPUToWallMin) != classOf(c.CPUToWallMax) {
		say("the repeats differ in class, from %.3f to %.3f", c.CPUToWallMin, c.CPUToWallMax)
	}
	// What it had without the wait for a core; the thread's wait says nothing
	// about other threads, and one thread alone does not get above 1.
	if had := c.WallS - c.CPUWaitS; c.Clock != ClockProcess && c.CPUWaitS > 0.1*c.WallS && had > 0 {
		idle := max(c.CPUToWall, min(c.CPUS/had, 1))
		say("it was ready to run for %.3g s more but had no core, and an idle machine would show about %.3f, which is %s",
			c.CPUWaitS, idle, classOf(idle))
	}
	switch price, ok := o.Costs.price(c.Route, o.PayloadBytes); {
	case o.Costs == nil:
		say("the price of the route is omitted because nothing was calibrated")
	case !ok:
		say("the price of the route is omitted because it was not measured")
	default:
		c.PriceNs = price
		say("handing over %d bytes costs about %v a call, %.2g %% of its wall time", o.PayloadBytes,
			time.Duration(price).Round(time.Nanosecond), 100*price/1e9/c.WallS)
	}
	c.Reason = strings.Join(why, "; ") + "."
}
