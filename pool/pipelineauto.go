package pool

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// AutoOptions tunes an Auto stage. The zero value and nil work.
type AutoOptions struct {
	// Width is how many items the stage works on at a time, wherever it is. 0: four times
	// the usable cores in goroutines, as many as the pool has workers in processes.
	Width int
	// Classify says what sends a stage that computes into processes, beside speed, and how
	// long it is measured. MaxCalls is after how many items that were too short to judge
	// it stays where it is; 0: 1000. nil: it needs a garbage collector of its own.
	Classify *ClassifyOptions
	// Every is how long after a look at the stage the next begins. 0: 5 s.
	Every time.Duration
}

// Auto adds a stage that finds its place itself. Its first items run in goroutines of
// this process, no more at a time than there are usable cores, and are measured as
// [Classify] does. Then it goes where the measured [Classification] routes it: a stage that waits
// to goroutines, one that computes into workers of p, one between stays where it is.
// It is looked at again every AutoOptions.Every: in goroutines by measuring some items,
// in processes by the CPU time of p's workers, all of whose tasks count, against the time
// that its tasks took. Two looks in a row that say the same move it. Items under way are
// not moved. Options.Logger hears of each decision and why.
//
// In this process f runs as in a pool with Isolation = Goroutine: [Init] functions
// run here too, and nothing contains a crash, so a function that may crash belongs in
// Proc. What f computes in goroutines of its own is not seen. Auto panics as Go does.
func Auto[In, Out any](pl *Pipeline, name string, in *Flow[In], p *Pool, f *Fn[In, Out], opts *AutoOptions) *Flow[Out] {
	if p == nil || f == nil {
		panic(fmt.Sprintf("pool: Auto %q: the pool or the function is nil", name))
	}
	a := &autoStage{pool: p, logs: &pl.logs}
	if opts != nil {
		a.opts = *opts
	}
	if a.opts.Width < 0 || a.opts.Every < 0 {
		panic(fmt.Sprintf("pool: Auto %q: negative value in %+v", name, a.opts))
	}
	if a.opts.Every == 0 {
		a.opts.Every = 5 * time.Second
	}
	if a.opts.Classify == nil {
		a.opts.Classify = &ClassifyOptions{OwnGC: true}
	}
	a.judged = a.opts.Classify.withDefaults(50 * time.Millisecond)
	if a.judged.MaxCalls == 0 {
		a.judged.MaxCalls = 1000
	}
	s := pl.add(name, KindGoroutine, max(a.width(KindGoroutine), a.width(KindProcess)))
	s.pool, s.auto, a.stage = p, a, s
	out := follow[In, Out](pl, s, in)
	s.start = func(r *pipelineRun) {
		runStage(r, s, in, out, func(ctx context.Context, it *item[In]) (v Out, err error) {
			if at := a.place(); at != p {
				return runTask(ctx, at, f, it)
			}
			v, err = runTask(ctx, p, f, it)
			a.ran(r.users[p])
			return v, err
		})
	}
	return out
}

// An autoStage decides where a stage runs.
type autoStage struct {
	stage  *stage
	pool   *Pool
	local  *Pool // of goroutines of this process, while the pipeline runs
	opts   AutoOptions
	judged ClassifyOptions
	logs   *logs

	measuring atomic.Bool  // items in this process are
	due       atomic.Int64 // when the next look is, in Unix nanoseconds

	mu      sync.Mutex
	kind    StageKind
	decided bool
	votes   int         // looks in a row that want it elsewhere
	samples []cpuSample // of the look under way
	sample  cpuSample   // the last of them, not long enough yet
	calls   int
	waited  time.Duration // for a core, in all of it
	since   time.Time     // it began
	busy    time.Duration // of the stage then
	cpu     time.Duration // of the workers then
	queued  time.Duration // how long these had been ready to run and had no core
}

func (a *autoStage) width(kind StageKind) int {
	switch {
	case a.opts.Width > 0:
		return a.opts.Width
	case kind == KindProcess:
		return a.pool.asked()
	}
	return waitingWidth()
}

// open makes the stage ready to run in this process.
func (a *autoStage) open(ctx context.Context, s *stage) (err error) {
	a.kind, a.since = KindGoroutine, time.Now()
	a.measuring.Store(true)
	s.setSlots(0, min(a.width(KindGoroutine), computingWidth()))
	o := a.pool.opts
	a.local, err = New(ctx, &Options{
		Workers: a.width(KindGoroutine), Isolation: Goroutine, CloseTimeout: o.CloseTimeout,
		Results: o.Results, Anonymous: o.Anonymous, Logger: o.Logger, twin: a.pool, around: a.measure,
	})
	return err
}

func (a *autoStage) close() error { return a.local.Close(context.Background()) }

// place is the pool that has the next item.
func (a *autoStage) place() *Pool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kind == KindProcess {
		return a.pool
	}
	return a.local
}

// measure frames a task in this process.
func (a *autoStage) measure() (end func()) {
	if !a.measuring.Load() {
		if time.Now().UnixNano() < a.due.Load() {
			return nil
		}
		a.mu.Lock()
		if a.kind == KindGoroutine && a.measuring.CompareAndSwap(false, true) {
			a.samples, a.sample, a.calls, a.waited, a.since = nil, cpuSample{}, 0, 0, time.Now()
		}
		a.mu.Unlock()
	}
	read := onThread()
	return func() {
		if s, ok := read(); ok {
			a.measured(s)
		}
	}
}

// measured adds one task to the look.
func (a *autoStage) measured(s cpuSample) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.measuring.Load() || a.kind != KindGoroutine {
		return
	}
	a.calls++
	a.waited += s.cpuWait
	a.sample.wall += s.wall
	a.sample.cpu += s.cpu
	a.sample.process += s.process
	a.sample.calls++
	if a.sample.wall >= a.judged.MinSample {
		a.samples = append(a.samples, a.sample)
		a.sample = cpuSample{}
	}
	switch {
	case len(a.samples) >= a.judged.Repeats:
		a.decideLocked(a.verdictLocked())
	case len(a.samples) == 0 && a.calls >= a.judged.MaxCalls:
		a.decideLocked(KindGoroutine, fmt.Sprintf("%d items took %v together: too short to judge, and to be handed over", a.calls, a.sample.wall))
	}
}

// verdictLocked is where the samples want it.
func (a *autoStage) verdictLocked() (StageKind, string) {
	c := judge(a.samples, a.judged, false, collections{}, nil)
	cpu, wall := time.Duration(0), time.Since(a.since)
	for _, s := range a.samples {
		cpu += s.cpu
	}
	// Where more items compute than there are cores, each waits for its turn; what other
	// programs have of the cores, they cannot have.
	if all := ratioOf(cpu, wall*time.Duration(computingWidth())-a.waited); c.Class != ClassCPU && all > cpuAbove && wall >= a.judged.MinSample {
		c.Class, c.CPUToWall = ClassCPU, all
		c.explain(a.judged)
		c.Reason = fmt.Sprintf("its items together keep the %d usable cores busy %s of the time", computingWidth(), percent(all))
	}
	switch c.Route {
	case RouteProcess:
		return KindProcess, c.Reason
	case RouteSplit:
		return a.kind, c.Reason
	}
	return KindGoroutine, c.Reason
}

// ran looks at the stage in its processes, when that is due.
func (a *autoStage) ran(use *workerUse) {
	if time.Now().UnixNano() < a.due.Load() || !a.mu.TryLock() {
		return
	}
	defer a.mu.Unlock()
	if a.kind != KindProcess || time.Now().UnixNano() < a.due.Load() {
		return
	}
	queued := time.Duration(0)
	cpu := use.look(func(w WorkerStats) { queued += waitOfProcess(w.PID) })
	busy := a.stage.busyTime()
	took, used, waited := busy-a.busy, cpu-a.cpu, max(queued-a.queued, 0)
	first := a.busy == 0
	if took < a.judged.MinSample && !first {
		return
	}
	a.busy, a.cpu, a.queued = busy, cpu, queued
	if first || a.pool.opts.Isolation != Process {
		a.due.Store(time.Now().Add(a.opts.Every).UnixNano())
		return
	}
	// More tasks than workers wait for these.
	took = time.Duration(float64(took) * min(float64(a.pool.opts.Workers)/float64(a.width(KindProcess)), 1))
	took = max(took-waited, used, 1) // other programs have had the cores
	ratio := used.Seconds() / took.Seconds()
	want := KindProcess
	if classOf(ratio) == ClassIO {
		want = KindGoroutine
	}
	a.decideLocked(want, fmt.Sprintf("the workers had %.3g s of CPU in %.3g s of its tasks: %.3f", used.Seconds(), took.Seconds(), ratio))
}

// decideLocked ends a look.
func (a *autoStage) decideLocked(want StageKind, why string) {
	a.measuring.Store(false)
	a.due.Store(time.Now().Add(a.opts.Every).UnixNano())
	first := !a.decided
	a.decided = true
	if want == a.kind {
		a.votes = 0
	} else if a.votes++; first || a.votes >= 2 {
		a.votes = 0
		a.logs.log(slog.LevelInfo, "stage moves", "stage", a.stage.name, "from", a.kind, "to", want, "width", a.width(want), "why", why)
		a.kind, a.busy, a.cpu, a.queued = want, 0, 0, 0
		if want == KindProcess { // the first of its looks is where the next begins
			a.due.Store(0)
		}
		a.stage.move(want, a.width(want))
		return
	} else {
		a.logs.log(slog.LevelInfo, "stage may move", "stage", a.stage.name, "from", a.kind, "to", want, "why", why)
		return
	}
	if first {
		a.logs.log(slog.LevelInfo, "stage stays", "stage", a.stage.name, "in", a.kind, "width", a.width(want), "why", why)
		a.stage.move(want, a.width(want))
	} else {
		a.logs.log(slog.LevelDebug, "stage stays", "stage", a.stage.name, "in", a.kind, "why", why)
	}
}
