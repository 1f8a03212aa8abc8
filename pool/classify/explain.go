package classify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/handoff/bench/stat"
)

// A sentence grows by clauses.
type sentence []string

func (s *sentence) say(format string, args ...any) { *s = append(*s, fmt.Sprintf(format, args...)) }

// explain sets the route, the prices and the reasons.
func (v *Verdict) explain(o Options) {
	var workload, route, more sentence
	v.explainWorkload(&workload)
	v.explainRoute(&route, o)
	v.explainPayload(&more, o.Costs)
	v.explainPrice(&more, o.Costs)
	v.WorkloadReason, v.RouteReason = strings.Join(workload, "; "), strings.Join(route, "; ")
	v.Reason = strings.Join(slices.Concat(workload, route, more), "; ") + "."
}

// From these shares on something is worth mentioning.
const (
	muchCollecting = 0.2  // of the CPU time: garbage collection
	muchElse       = 0.01 // of the wall time waits for a core, of the CPU time orphans
)

func share(part, whole time.Duration) float64 { return float64(part) / float64(whole) }

func (v *Verdict) explainWorkload(s *sentence) {
	figures := fmt.Sprintf("%s of CPU time (%s clock) in %s", text(v.CPU), v.Clock, text(v.Wall))
	switch waited := share(v.CPUWait, v.Wall); {
	case waited >= 1:
		figures += fmt.Sprintf(", and %s in which several threads were ready to run and had no core", text(v.CPUWait))
	case waited > muchElse:
		figures += fmt.Sprintf(", of which it was ready to run for %s and had no core", text(v.CPUWait))
	}
	figures += fmt.Sprintf(": a ratio of %.3f,", v.CPUToWall)
	switch v.Workload {
	case WorkloadIO:
		s.say("it waits: %s below %.1f", figures, ioBelow)
	case WorkloadMixed:
		s.say("it both waits and computes: %s between %.1f and %.1f", figures, ioBelow, cpuAbove)
	default:
		s.say("it computes: %s above %.1f", figures, cpuAbove)
	}
	if v.Clock == ClockProcess {
		s.say("its own thread used %s and the process %s, so it starts goroutines, or others of this process were busy", text(v.ThreadCPU), text(v.ProcessCPU))
	}
	if v.GC != nil && v.GCShare > muchCollecting {
		s.say("%s of the CPU time went to the garbage collector", stat.Percent(v.GCShare))
	}
	if workloadOf(v.CPUToWallMin) != workloadOf(v.CPUToWallMax) {
		s.say("the repeats differ in class, from %.3f to %.3f", v.CPUToWallMin, v.CPUToWallMax)
	}
	if share(v.OrphanCPU, v.CPU) > muchElse {
		s.say("%s of the CPU time are of processes whose parent had ended without waiting for them", text(v.OrphanCPU))
	}
}

// needs lists, for a sentence, the options that only a process of its own satisfies; ""
// if there is none.
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

func (v *Verdict) explainRoute(s *sentence, o Options) {
	need := o.needs()
	switch {
	case v.Workload == WorkloadIO:
		v.Route = RouteGoroutine
		s.say("goroutines overlap the waits and a process would buy no time")
		if v.Clock != ClockChild && need != "" {
			s.say("it %s, though, and that only a process contains", need)
		}
		if o.Planned == RouteProcess {
			v.Warnings = append(v.Warnings, fmt.Sprintf("work that waits is planned for processes: each of them would wait for %.0f %% of its time, take memory of its own and a handover for each call, and as many goroutines wait as well",
				100*max(1-v.CPUToWall, 0)))
		}
	case v.Workload == WorkloadMixed:
		v.Route = RouteSplit
		s.say("split the two or decouple them through a queue")
		if need != "" {
			s.say("its computing part belongs in a process because it %s", need)
		}
	case need != "":
		v.Route = RouteProcess
		s.say("it %s, which a process contains", need)
	default:
		v.Route = RouteGoroutine
		s.say("a goroutine is the cheapest place because Go has no interpreter lock and goroutines use all cores")
	}
}

// explainPayload applies the rule of the 15 %.
func (v *Verdict) explainPayload(s *sentence, costs *Costs) {
	p := v.Payload
	if p == nil {
		return
	}
	whole := p.ValueBytes + p.RefBytes
	if p.Gob == 0 && costs != nil {
		p.Gob, p.Estimated = costs.Gob.time(whole)
		p.GobFresh, _ = costs.GobFresh.time(whole)
	}
	if p.Gob == 0 {
		return
	}
	computes := v.CPU
	if computes <= 0 {
		computes = v.Wall
	}
	p.GobShare = share(p.Gob, computes)
	p.HandOverRef = p.GobShare > mostGobShare
	figures := fmt.Sprintf("%s, %s of the %s that it computes", text(p.Gob), stat.Percent(p.GobShare), text(computes))
	switch {
	case !p.HandOverRef:
		s.say("gob of its payload (%s) would take %s and not more than %.0f %%", stat.Size(whole), figures, 100*mostGobShare)
	case 2*p.RefBytes >= whole:
		s.say("its payload (%s, %s by Ref) is handed over by Ref, and should be: gob of it would take %s and more than %.0f %%",
			stat.Size(whole), stat.Size(p.RefBytes), figures, 100*mostGobShare)
	default:
		s.say("hand its payload (%s) to a process by Ref, as a shm.View: gob of it would take %s and more than %.0f %%",
			stat.Size(whole), figures, 100*mostGobShare)
	}
}

func (v *Verdict) explainPrice(s *sentence, costs *Costs) {
	var bytes, refBytes int64
	if p := v.Payload; p != nil {
		bytes, refBytes = p.ValueBytes, p.RefBytes
	}
	v.Prices = costs.prices(bytes, refBytes, v.Wall)
	price, ok := priceOf(v.Prices, v.Route, refBytes > 0)
	switch {
	case costs == nil:
		s.say("the price of the route is omitted because nothing was calibrated")
	case !ok:
		s.say("the price of the route is omitted because it was not measured")
	default:
		v.Price = price.Time
		what := "handing it over"
		if bytes+refBytes > 0 {
			what = "handing over " + stat.Size(bytes+refBytes) + wayWords[price.Way]
		}
		s.say("%s costs about %s a call, %s of its wall time", what, text(price.Time), stat.Percent(price.Share))
		if v.Route == RouteProcess && costs.WakeNs > 0 {
			s.say("%s more where the worker sleeps", stat.Time(costs.WakeNs))
		}
	}
}

var wayWords = map[Way]string{WayRef: " by Ref", WayCopy: " by one copy", WayGob: " by gob"}
