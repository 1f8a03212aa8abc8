package pool

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"example.com/handoff/pool/internal/fate"
	"example.com/handoff/pool/internal/life"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
)

// A reaping works out one death: what the incarnation died of, and what becomes of its
// task. It is used by the goroutine that owns the worker slot, under Pool.mu but where a
// name says otherwise.
type reaping struct {
	w       *worker
	process proc.Process // nil if it could not be started
	death   *WorkerExitError
	known   fate.Known
	looked  bool // at what it wrote, and at what the kernel counts
}

// reap takes a dead incarnation out of the pool: its task is tried again or
// resolved. process is nil if there never was a process. It reports whether it had
// finished a task, or ended because it was asked to.
func (w *worker) reap(process proc.Process, reason error, greeted bool) bool {
	p := w.pool
	r := &reaping{w: w, process: process, looked: process == nil, known: fate.Known{Greeted: greeted}}
	r.death = &WorkerExitError{Worker: w.slot, ExitCode: -1, Incarnation: w.number}
	death, exit := r.death, &r.known.Exit
	if process != nil {
		*exit = process.Exit()
		death.PID, death.ExitCode, death.Signal = process.PID(), exit.Code, exit.Signal
	}
	if reason != nil {
		death.Reason = reason.Error()
	}
	died := time.Now()
	p.mu.Lock()
	r.known.Reason, r.known.KilledFor = death.Reason, w.killed
	w.died, w.spent, w.reaped = died, exit.CPU, true
	p.slots.used.dead += exit.CPU
	results := w.results
	done, orderly := false, false
	if greeted {
		done, orderly = r.detachUnlocking(reason == nil)
	} else {
		r.lookUnlocking()
		r.classifyLocked(nil)
	}
	w.proc = nil
	if exit.Alive {
		w.undead = append(w.undead, process)
	}
	ending := p.ending.cause != nil
	r.reportLocked(orderly, ending)
	if greeted {
		p.slots.reapsPending--
		p.slots.wanted.Broadcast()
	} else {
		p.slots.restarts.Failed()
	}
	giveUp := p.slots.restarts.Exhausted() && !ending && len(p.sched.workers) == 0 // else there is somebody to work
	p.unlock()
	if why, said := fate.WorkerSays(r.known.Output); said && (orderly || ending) {
		p.hooks.log(slog.LevelWarn, "a worker that ended said", "worker", w.slot, "pid", death.PID, "text", why)
	}
	if err := results.end(); err != nil {
		p.hooks.log(slog.LevelWarn, "could not remove a dead worker's results", "worker", w.slot, "error", err)
	}
	if giveUp {
		p.end(fmt.Errorf("pool: %d workers in a row did not start: %w", life.MaxFailedStarts, death))
	}
	return done || orderly
}

// lookUnlocking learns what the dead one wrote and what the kernel counts. It lets go of
// Pool.mu meanwhile, the first time.
func (r *reaping) lookUnlocking() {
	if r.looked {
		return
	}
	r.looked = true
	p := r.w.pool
	p.unlock()
	r.known.Output, r.known.OOMKilled = r.process.Output(), r.process.OOMKilled()
	r.death.Stderr, r.death.PeakPrivate = r.known.Output, max(r.death.PeakPrivate, r.process.Peak())
	p.mu.Lock()
}

// detachUnlocking takes what the dead one had finished, and then it out of the pool. A task
// that is tried again whatever the death was of goes on before that is looked for; of any
// other the death is classified first, since its error tells of it. unasked says that the
// pool has not killed it. It reports whether it had finished or begun a task, and whether
// it ended because it was asked to. It lets go of Pool.mu meanwhile.
func (r *reaping) detachUnlocking(unasked bool) (done, orderly bool) {
	w, p, death, exit := r.w, r.w.pool, r.death, r.known.Exit
	if !r.triesAgainLocked(w.runningLocked()) { // mostly it is known before the drain
		r.lookUnlocking()
	}
	if p.opts.Isolation == Process { // else who writes it may not have ended
		death.Last = wire.ReadFlight(w.lane.Flight(), p.table.name)
	}
	p.preemptUnlocking()
	p.drainUnlocking()
	death.PeakPrivate, death.PeakShared = max(death.PeakPrivate, w.memory.peakPrivate), w.memory.peakShared
	ran := w.diedUnderLocked()
	if !r.triesAgainLocked(ran) {
		ran = r.lookBesideUnlocking(ran)
	}
	done = w.done > 0 || ran != nil // a task that kills its worker has a bound of its own
	orderly = w.retired != "" && unasked && fate.Orderly(exit) && ran == nil
	if ran != nil {
		death.Func, death.Attempt = ran.entry.name, ran.tries.Attempt
	}
	early := !r.looked
	if !early && !orderly {
		r.classifyLocked(ran)
	}
	p.slots.reapsPending++
	p.detachIncarnationUnlocking(w, ran, death)
	p.handOverLocked()
	if early {
		r.classifyLocked(r.lookBesideUnlocking(ran))
	}
	return done, orderly
}

// lookBesideUnlocking is lookUnlocking, and returns t unless that is over meanwhile.
func (r *reaping) lookBesideUnlocking(t *task) *task {
	if t == nil {
		r.lookUnlocking()
		return nil
	}
	id := t.id
	if r.lookUnlocking(); t.id != id || t.state == taskResolved || t.state == taskEnding {
		return nil
	}
	return t
}

// classifyLocked says what it died of. ran is the task that it was running, unless that is over.
func (r *reaping) classifyLocked(ran *task) {
	p, d := r.w.pool, r.death
	f := fate.Of(r.known)
	d.Class, d.Evidence, d.Reason = ExitClass(f.Class), f.Evidence, f.Reason
	if d.Class == ExitSignal && fate.Killed(r.known.Exit) && d.Func != "" {
		if evidence, suspected := p.slots.kills.Add(time.Now()); suspected {
			d.MemorySuspected, d.Evidence = true, evidence
		}
	}
	if ran != nil && d.forMemory() && p.opts.Attempts > 1 && p.slots.width.Now() > 1 && !p.opts.Replacement.KeepWidth {
		ran.tries.DiedForMemory()
	}
}

// reportLocked tells of the death, and then of what came of it.
func (r *reaping) reportLocked(orderly, ending bool) {
	w, p, death := r.w, r.w.pool, r.death
	switch {
	case ending:
	case orderly:
		p.stats.Retired++
		p.hooks.log(slog.LevelInfo, "worker retired", "worker", w.slot, "pid", death.PID, "reason", w.retired)
		p.hooks.event(Event{Kind: EventRetired, Worker: w.slot, PID: death.PID, Incarnation: w.number, Text: w.retired})
	default:
		p.recordDeathLocked(death)
	}
	w.reportLostLocked(death)
	for _, e := range w.retries {
		e.Worker, e.PID, e.Incarnation = death.Worker, death.PID, death.Incarnation
		p.hooks.event(e)
	}
	w.retries = w.retries[:0]
}

// triesAgainLocked reports whether t, under which the incarnation has died, is tried again
// whatever else becomes known of the death; t may be nil, if there was none.
func (r *reaping) triesAgainLocked(t *task) bool {
	p := r.w.pool
	if r.known.Exit.Signal == "" { // it may have ended because it was asked to
		return false
	}
	return t == nil || t.share.job == nil && !t.cancel.asked && p.ending.cause == nil && t.tries.Attempt < p.opts.Attempts
}

// recordDeathLocked counts a death, tells of it, and lets fewer workers run where it was
// for want of memory.
func (p *Pool) recordDeathLocked(death *WorkerExitError) {
	if p.stats.Deaths == nil {
		p.stats.Deaths = map[ExitClass]int64{}
	}
	p.stats.Deaths[death.Class]++
	p.stats.Respawns++
	p.hooks.log(slog.LevelWarn, "worker died", "worker", death.Worker, "pid", death.PID, "class", death.Class, "error", death)
	p.hooks.event(Event{Kind: EventDeath, Worker: death.Worker, PID: death.PID, Incarnation: death.Incarnation, Func: death.Func, Attempt: death.Attempt, Lo: death.Lo, Death: death})
	if death.forMemory() {
		p.stats.Memory.Deaths++
		p.stepDownLocked(fmt.Sprintf("worker %d died for want of memory (%s)", death.Worker, death.Evidence))
	}
}

// forMemory reports whether there was too little, for all one knows.
func (e *WorkerExitError) forMemory() bool { return e.Class == ExitOOM || e.MemorySuspected }

// diedUnderLocked is the task that a dead incarnation was running, nil if there was none. It
// is asked once for each death: a task that was next, and not begun as far as one can tell,
// counts it.
func (w *worker) diedUnderLocked() *task {
	l := w.lane
	ran := w.runningLocked()
	if s := l.Oldest(); !w.watch.Stopped() && ran == nil && s != nil && s.Live {
		t := w.pool.taskOf(s.ID)
		if t.tries.DiedBefore() {
			ran = t
		}
	}
	return ran
}

// detachIncarnationUnlocking removes w's incarnation: the task that it was running has lost an
// attempt, those that only waited in its lane have lost nothing. Its numbers stay
// in the statistics. The caller leads. It lets go of Pool.mu meanwhile.
func (p *Pool) detachIncarnationUnlocking(w *worker, ran *task, death *WorkerExitError) {
	const keep = 256
	dead := w.statsLocked()
	dead.State = StateDead
	p.stats.Workers = append(p.stats.Workers, dead)
	if n := len(p.stats.Workers); n > keep {
		p.stats.Workers = append(p.stats.Workers[:0], p.stats.Workers[n-keep:]...)
	}
	p.sched.workers = slices.DeleteFunc(slices.Clone(p.sched.workers), func(o *worker) bool { return o == w })
	for t := range w.waitingLocked() {
		switch {
		case t == ran:
		case !t.share.movable():
			p.withdrawShareLocked(t)
		case t.share.job != nil:
			p.requeueLocked(t)
		case p.ending.cause != nil:
			p.resolveLocked(t, nil, p.endedLocked())
		case t.cancel.asked:
			p.resolveLocked(t, nil, ErrCancelled)
		default:
			p.requeueLocked(t)
		}
	}
	if ran != nil && ran.share.job != nil {
		p.shareDiedUnlocking(w, ran, death)
	} else if ran != nil {
		w.recordLostLocked(ran, death)
		w.giveBackLocked(ran, death)
	}
	p.stats.CopyStats.add(w.lane.Copied())
	w.link, w.lane, w.knows, w.results, w.done = nil, nil, nil, nil, 0
	w.standby = false
	p.adjustLocked()
	p.dispatchLocked()
}

// giveBackLocked decides what becomes of a task whose worker died under it.
func (w *worker) giveBackLocked(t *task, death *WorkerExitError) {
	p := w.pool
	switch {
	case p.ending.cause != nil:
		p.resolveLocked(t, nil, fmt.Errorf("%w while the task ran: %w", p.endedLocked(), death))
	case t.cancel.asked:
		p.resolveLocked(t, nil, fmt.Errorf("%w: %w", ErrCancelled, death))
	case t.tries.Exhausted(p.opts.Attempts):
		p.resolveLocked(t, nil, death)
	default:
		w.retries = append(w.retries, Event{Kind: EventRetry, Func: t.entry.name, Attempt: t.tries.Attempt + 1})
		p.retryLocked(t)
	}
}

// retryLocked puts a task whose worker died back in line, after a while: at once the
// first time, then up to 10 ms, 20 ms, … 1 s, with full jitter.
func (p *Pool) retryLocked(t *task) {
	t.state, t.place.worker = taskPending, nil
	p.stats.Retries++
	wait := t.tries.Died()
	if wait == 0 {
		p.tasks.pending.pushFront(t)
		return
	}
	t.delayed = true
	p.tasks.delayed.pushBack(t)
	id := t.id
	time.AfterFunc(wait, func() { p.endDelay(t, id) })
}

// endDelay puts a task back in line, if it is still the one that was delayed.
func (p *Pool) endDelay(t *task, id wire.TaskID) {
	p.mu.Lock()
	defer p.unlock()
	if t.id == id && t.delayed {
		p.tasks.delayed.remove(t)
		t.delayed = false
		p.tasks.pending.pushFront(t)
		p.dispatchLocked()
	}
}
