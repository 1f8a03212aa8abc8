package classify

import (
	"fmt"
	"slices"
	"time"

	"example.com/handoff/bench/cost"
	"example.com/handoff/bench/stat"
)

// A Workload says what a piece of work does with its time.
type Workload string

// The workloads, by the ratio of CPU time to wall time on a machine where a core is free
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

// A Route says where work should run.
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

// A Verdict is what was measured, what follows from it, and why. Times and counts are per
// call; ratios and shares have no unit. Figures of several samples are medians.
type Verdict struct {
	Workload       Workload `json:"class"`
	WorkloadReason string   `json:"class_reason"` // with the figures
	Route          Route    `json:"route"`
	RouteReason    string   `json:"route_reason"`
	Reason         string   `json:"reason"` // both, and what else there is to say, in one sentence
	Warnings       []string `json:"warnings,omitempty"`

	Clock   Clock `json:"clock"`
	Repeats int   `json:"repeats"` // samples taken
	Calls   int   `json:"calls"`   // calls in all samples together

	Ratio
	Times `json:"times"`
	Counts
	*GC // nil for a command

	// Payload is nil where nothing is known of it.
	Payload *Payload `json:"payload,omitempty"`
	// Advice is what the prices and the rule of the 15 % say about the payload; nil
	// without Costs and Payload.
	Advice *cost.Advice `json:"advice,omitempty"`
	// Price is what handing one call over by Route costs, and Prices what it costs by each
	// route; 0 and none if unknown.
	Price  time.Duration `json:"price_ns,omitempty"`
	Prices []Price       `json:"prices,omitempty"`
}

// A Ratio is CPU time divided by wall time. It is what an idle machine would show: of the
// wall time what was spent ready to run without a core (CPUWait) is left out, but no more
// than the same time with all of that as CPU time would give. Above 1 if several threads
// compute.
type Ratio struct {
	CPUToWall    float64 `json:"cpu_to_wall"` // the median of the samples, which decides the Workload
	CPUToWallMin float64 `json:"cpu_to_wall_min"`
	CPUToWallMax float64 `json:"cpu_to_wall_max"`
}

// Times are those of one call.
type Times struct {
	Wall time.Duration `json:"wall_ns"`
	CPU  time.Duration `json:"cpu_ns"` // by the Verdict's Clock

	ThreadCPU  time.Duration `json:"thread_cpu_ns"`  // of a function's own thread; 0 for a command
	ProcessCPU time.Duration `json:"process_cpu_ns"` // of the whole process meanwhile; 0 for a command
	// CPUWait is how long the thread or, by the process and the child clock, all threads
	// together were ready to run and had no core. Of a command it is what was seen of its
	// processes, every 20 ms and at its end.
	CPUWait time.Duration `json:"cpu_wait_ns"`
	// OrphanCPU is what is in CPU of descendants of a command whose parent had ended without
	// waiting for them, as seen every 20 ms and at its end.
	OrphanCPU time.Duration `json:"orphan_cpu_ns"`
}

// Counts are what the kernel counted for one call, of what Clock says. A context switch is
// voluntary when the thread had to wait for something, else the kernel gave its core to
// another. A page fault is major when the page had to be read from a disk.
type Counts struct {
	VoluntarySwitches   float64 `json:"voluntary_switches"`
	InvoluntarySwitches float64 `json:"involuntary_switches"`
	MinorFaults         float64 `json:"minor_faults"`
	MajorFaults         float64 `json:"major_faults"`
}

// GC is the garbage collector's work in this process during all samples, by the collections
// that ended in them.
type GC struct {
	GCShare  float64 `json:"gc_share"` // of the CPU time of this process
	GCCycles uint64  `json:"gc_cycles"`
}

// judge turns samples, none of them of zero length, into a verdict.
func judge(all samples, o Options, command bool, gc gcStats, payload *Payload) Verdict {
	v := Verdict{Repeats: len(all), Payload: payload}
	used := func(s sample) usage { return s.own }
	if command {
		v.Clock = ClockChild
		v.OrphanCPU = all.time(func(s sample) time.Duration { return s.orphans })
	} else {
		v.ThreadCPU = all.time(func(s sample) time.Duration { return s.own.cpu })
		v.ProcessCPU = all.time(func(s sample) time.Duration { return s.all.cpu })
		v.GC = gcOf(all, gc)
		if v.Clock = all.clock(o.Clock); v.Clock == ClockProcess {
			used = func(s sample) usage { return s.all }
		}
	}
	for _, s := range all {
		v.Calls += s.calls
	}
	v.Wall = all.time(func(s sample) time.Duration { return s.wall })
	v.CPU = all.time(func(s sample) time.Duration { return used(s).cpu })
	v.CPUWait = all.time(func(s sample) time.Duration { return used(s).wait })
	ratios := all.each(func(s sample) float64 { return idleRatio(used(s), s.wall) })
	v.Ratio = Ratio{stat.Median(ratios), slices.Min(ratios), slices.Max(ratios)}
	v.Counts = Counts{
		VoluntarySwitches:   all.perCall(func(s sample) float64 { return float64(used(s).counts.voluntary) }),
		InvoluntarySwitches: all.perCall(func(s sample) float64 { return float64(used(s).counts.involuntary) }),
		MinorFaults:         all.perCall(func(s sample) float64 { return float64(used(s).counts.minor) }),
		MajorFaults:         all.perCall(func(s sample) float64 { return float64(used(s).counts.major) }),
	}
	v.Workload = workloadOf(v.CPUToWall)
	v.explain(o)
	unknown := stat.Median(all.each(func(s sample) float64 { return float64(s.waitUnknown) }))
	if v.Workload != WorkloadCPU && unknown > 0.02*float64(v.Wall) {
		v.Warnings = append(v.Warnings, fmt.Sprintf("this machine is busy, and for %s of the CPU time it is unknown how long it waited for a core: on an idle machine the ratio may be larger and the class another", stat.Time(unknown)))
	}
	return v
}

// clock is whose CPU time is that of a function.
func (all samples) clock(asked Clock) Clock {
	// Below a fifth of the wall time it may be the runtime's own threads or an unread tick,
	// and it is too little to carry io over into cpu.
	const most = 0.2
	elsewhere := stat.Median(all.each(func(s sample) float64 { return float64(s.all.cpu-s.own.cpu) / float64(s.wall) }))
	if asked == ClockProcess || asked == "" && elsewhere > most {
		return ClockProcess
	}
	return ClockThread
}

func gcOf(all samples, gc gcStats) *GC {
	var process time.Duration
	for _, s := range all {
		process += s.all.cpu
	}
	if process <= 0 {
		return &GC{GCCycles: gc.cycles}
	}
	return &GC{min(float64(gc.cpu)/float64(process), 1), gc.cycles}
}

// idleRatio is the ratio of CPU time to wall time without the time that was spent ready
// to run without a core. A single thread would have been done so much earlier. Several
// threads may have waited at once: the ratio is not above the one with their wait as CPU
// time.
func idleRatio(u usage, wall time.Duration) float64 {
	ratio := float64(u.cpu+u.wait) / float64(wall)
	if had := wall - u.wait; had > 0 {
		ratio = min(ratio, float64(u.cpu)/float64(had))
	}
	return ratio
}
