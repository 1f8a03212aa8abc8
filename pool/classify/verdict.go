package classify

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// judge turns samples, none of them of zero length, into a verdict.
func judge(samples []cpuSample, o Options, command bool, gc collections, payload *Payload) Verdict {
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

	c := Verdict{Clock: ClockThread, Repeats: len(samples), Payload: payload}
	var process time.Duration
	for _, s := range samples {
		c.Calls += s.calls
		process += s.process
	}
	c.WallS = middle(per(func(s cpuSample) float64 { return perCall(s.wall, s) }))
	cpu := func(s cpuSample) time.Duration { return s.cpu }
	wait := func(s cpuSample) time.Duration { return s.cpuWait }
	counted := func(s cpuSample) kernelCounts { return s.own }
	if command {
		c.Clock = ClockChild
		c.OrphanCPUS = middle(per(func(s cpuSample) float64 { return perCall(s.orphans, s) }))
	} else {
		c.ThreadCPUS = middle(per(func(s cpuSample) float64 { return perCall(s.cpu, s) }))
		c.ProcessCPUS = middle(per(func(s cpuSample) float64 { return perCall(s.process, s) }))
		// Below a fifth of the wall time it may be the runtime's own threads
		// or an unread tick, and it is too little to carry io over into cpu.
		elsewhere := middle(per(func(s cpuSample) float64 { return (s.process - s.cpu).Seconds() / s.wall.Seconds() }))
		if o.Clock == ClockProcess || o.Clock == "" && elsewhere > 0.2 {
			c.Clock = ClockProcess
			cpu = func(s cpuSample) time.Duration { return s.process }
			counted = func(s cpuSample) kernelCounts { return s.all }
			wait = func(s cpuSample) time.Duration { return s.allWait }
		}
		share := 0.0
		if process > 0 {
			share = min(gc.cpuS/process.Seconds(), 1)
		}
		c.GCShare, c.GCCycles = &share, gc.cycles
	}
	c.CPUS = middle(per(func(s cpuSample) float64 { return perCall(cpu(s), s) }))
	c.CPUWaitS = middle(per(func(s cpuSample) float64 { return perCall(wait(s), s) }))
	ratios := per(func(s cpuSample) float64 { return idleRatio(cpu(s), wait(s), s.wall) })
	c.CPUToWall, c.CPUToWallMin, c.CPUToWallMax = middle(ratios), ratios[0], ratios[len(ratios)-1]
	for _, f := range []struct {
		to *float64
		of func(c kernelCounts) int64
	}{
		{&c.VoluntarySwitches, func(c kernelCounts) int64 { return c.voluntary }},
		{&c.InvoluntarySwitches, func(c kernelCounts) int64 { return c.involuntary }},
		{&c.MinorFaults, func(c kernelCounts) int64 { return c.minor }},
		{&c.MajorFaults, func(c kernelCounts) int64 { return c.major }},
	} {
		*f.to = middle(per(func(s cpuSample) float64 { return float64(f.of(counted(s))) / float64(s.calls) }))
	}
	c.Class = workloadOf(c.CPUToWall)
	c.explain(o)
	unknown := middle(per(func(s cpuSample) float64 { return s.waitUnknown.Seconds() }))
	if c.Class != WorkloadCPU && unknown > 0.02*c.WallS {
		c.Warnings = append(c.Warnings, fmt.Sprintf("this machine is busy, and of %.3g s of the CPU time nobody knows how long they waited for a core: on an idle machine the ratio may be larger and the class another", unknown))
	}
	return c
}

// idleRatio is the ratio of CPU time to wall time without the time that was spent ready
// to run without a core. A single thread would have been done so much earlier. Several
// threads may have waited at once: the ratio is not above the one with their wait as CPU
// time.
func idleRatio(cpu, wait, wall time.Duration) float64 {
	ratio := (cpu + wait).Seconds() / wall.Seconds()
	if had := wall - wait; had > 0 {
		ratio = min(ratio, cpu.Seconds()/had.Seconds())
	}
	return ratio
}

// middle is the median of sorted numbers, of which there is at least one.
func middle(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// A sentence grows by clauses.
type sentence []string

func (s *sentence) say(format string, args ...any) { *s = append(*s, fmt.Sprintf(format, args...)) }

// explain sets the route, the prices and the reasons.
func (c *Verdict) explain(o Options) {
	var class, route, more sentence
	c.explainClass(&class)
	c.explainRoute(&route, o)
	c.explainPayload(&more, o)
	c.explainPrice(&more, o)
	c.ClassReason, c.RouteReason = strings.Join(class, "; "), strings.Join(route, "; ")
	c.Reason = strings.Join(slices.Concat(class, route, more), "; ") + "."
}

// muchCollecting is the share of the CPU from which the garbage collector is named.
const muchCollecting = 0.2

func (c *Verdict) explainClass(s *sentence) {
	figures := fmt.Sprintf("%.3g s of CPU (%s clock) in %.3g s is %.3f,", c.CPUS, c.Clock, c.WallS, c.CPUToWall)
	if c.CPUWaitS > 0.01*c.WallS {
		figures = fmt.Sprintf("%.3g s of CPU (%s clock) in %.3g s, of which it was ready to run for %.3g s without a core, is %.3f,",
			c.CPUS, c.Clock, c.WallS, c.CPUWaitS, c.CPUToWall)
		if c.CPUWaitS >= c.WallS {
			figures = fmt.Sprintf("%.3g s of CPU (%s clock) and %.3g s of several threads that were ready to run without a core, in %.3g s, is %.3f,",
				c.CPUS, c.Clock, c.CPUWaitS, c.WallS, c.CPUToWall)
		}
	}
	switch c.Class {
	case WorkloadIO:
		s.say("it waits: %s below %.1f", figures, ioBelow)
	case WorkloadMixed:
		s.say("it both waits and computes: %s between %.1f and %.1f", figures, ioBelow, cpuAbove)
	default:
		s.say("it computes: %s above %.1f", figures, cpuAbove)
	}
	if c.Clock == ClockProcess {
		s.say("its own thread used %.3g s and the process %.3g s, so it starts goroutines, or others of this process were busy", c.ThreadCPUS, c.ProcessCPUS)
	}
	if c.GCShare != nil && *c.GCShare > muchCollecting {
		s.say("%.0f %% of the CPU went to the garbage collector", 100**c.GCShare)
	}
	if workloadOf(c.CPUToWallMin) != workloadOf(c.CPUToWallMax) {
		s.say("the repeats differ in class, from %.3f to %.3f", c.CPUToWallMin, c.CPUToWallMax)
	}
	if c.OrphanCPUS > 0.01*c.CPUS {
		s.say("%.3g s of the CPU were of processes whose parent had ended without waiting for them", c.OrphanCPUS)
	}
}

// needs is what the stage asks for that only a process gives.
func (o Options) needs() string {
	var needs []string
	for _, n := range []struct {
		asked bool
		text  string
	}{
		{o.Foreign, "is another program, or not Go"},
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
	return strings.Join(needs, " and ")
}

func (c *Verdict) explainRoute(s *sentence, o Options) {
	need := o.needs()
	switch {
	case c.Class == WorkloadIO:
		c.Route = RouteGoroutine
		s.say("goroutines overlap the waits and a process would buy no time")
		if c.Clock != ClockChild && need != "" {
			s.say("it %s, though, and that only a process contains", need)
		}
		if o.Planned == RouteProcess {
			c.Warnings = append(c.Warnings, fmt.Sprintf("a stage that waits is planned for processes: each of them would wait for %.0f %% of its time, take memory of its own and a handover for each call, and as many goroutines wait as well",
				100*max(1-c.CPUToWall, 0)))
		}
	case c.Class == WorkloadMixed:
		c.Route = RouteSplit
		s.say("split the two or decouple them through a queue")
		if need != "" {
			s.say("its computing part belongs in a process because it %s", need)
		}
	case need != "":
		c.Route = RouteProcess
		s.say("it %s, which a process contains", need)
	default:
		c.Route = RouteGoroutine
		s.say("a goroutine is the cheapest place because Go has no interpreter lock and goroutines use all cores")
	}
}

func (c *Verdict) explainPrice(s *sentence, o Options) {
	bytes, refBytes := int64(0), int64(0)
	if p := c.Payload; p != nil {
		bytes, refBytes = p.ValueBytes, p.RefBytes
	}
	c.Prices = o.Costs.prices(bytes, refBytes, c.WallS)
	price, ok := o.Costs.price(c.Route, bytes, refBytes, c.WallS)
	switch {
	case o.Costs == nil:
		s.say("the price of the route is omitted because nothing was calibrated")
	case !ok:
		s.say("the price of the route is omitted because it was not measured")
	default:
		c.PriceNs = price.Ns
		what := "handing it over"
		if bytes+refBytes > 0 {
			what = fmt.Sprintf("handing over %d bytes%s", bytes+refBytes, price.words())
		}
		s.say("%s costs about %v a call, %.2g %% of its wall time", what, roundNs(price.Ns), 100*price.Share)
		if c.Route == RouteProcess && o.Costs.WakeNs > 0 {
			s.say("%v more where the worker sleeps", roundNs(o.Costs.WakeNs))
		}
	}
}

func (p Price) words() string {
	switch p.Way {
	case wayRef:
		return " by Ref"
	case wayCopy:
		return " by one copy"
	case wayGob:
		return " by gob"
	}
	return ""
}
