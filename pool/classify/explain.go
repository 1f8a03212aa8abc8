package classify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/handoff/bench/cost"
	"example.com/handoff/bench/stat"
)

// A sentence grows by clauses.
type sentence []string

func (s *sentence) say(format string, args ...any) { *s = append(*s, fmt.Sprintf(format, args...)) }

// add adds whole clauses; "" adds none.
func (s *sentence) add(clauses ...string) {
	for _, c := range clauses {
		if c != "" {
			*s = append(*s, c)
		}
	}
}

// explain sets the route, the prices and the reasons.
func (v *Verdict) explain(o Options) {
	var workload, route, more sentence
	v.explainWorkload(&workload)
	v.explainRoute(&route, o)
	v.advise(&more, o)
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

// advise asks for the prices of the ways and what follows from them.
func (v *Verdict) advise(s *sentence, o Options) {
	task := cost.Task{Compute: v.CPU, Tasks: o.Tasks, TasksPerValue: o.TasksPerValue, Isolated: o.needs() != "", InPlace: o.inPlace}
	if task.Compute <= 0 {
		task.Compute = v.Wall
	}
	p := v.Payload
	if p != nil {
		task.ValueBytes, task.RefBytes, task.Gob = p.ValueBytes, p.RefBytes, p.Gob
	}
	a := cost.Advise(o.Costs, task)
	if p != nil && p.Gob == 0 && a.GobNS > 0 {
		p.Gob, p.Estimated = time.Duration(a.GobNS), true
		fresh, _ := o.Costs.GobFresh.NS(p.ValueBytes + p.RefBytes)
		p.GobFresh = time.Duration(fresh)
	}
	if o.Costs != nil || a.GobNS > 0 {
		v.Advice = &a
	}
	s.add(a.Rule())
	if v.Payload != nil && (v.Route == RouteProcess || a.OverMost) {
		s.add(a.Cheapest(), a.Saving())
	}
	v.Prices = prices(a, o.Costs, v.Wall)
	price, ok := priceOf(v.Prices, v.Route, a.BestProcess)
	switch {
	case o.Costs == nil:
		s.say("the price of the route is omitted because nothing was calibrated")
	case !ok:
		s.say("the price of the route is omitted because it was not measured")
	default:
		v.Price = price.Time
		s.say("handing it over costs about %s a call, %s", text(price.Time), stat.PartOf(price.Share, text(v.Wall)+" that one takes"))
		if v.Route == RouteProcess && o.Costs.WakeNS > 0 {
			s.say("%s more where the worker sleeps", stat.Time(o.Costs.WakeNS))
		}
	}
}
