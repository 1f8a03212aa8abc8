package pool

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
)

// bury takes a dead incarnation out of the pool: its task is tried again or
// resolved. process is nil if there never was a process. It reports whether it had
// finished a task, or ended because it was asked to.
//
// A task that is tried again goes on first: what the dead one wrote, and what the
// kernel counts, is read after that.
func (w *worker) bury(process proc.Process, reason error, greeted bool) bool {
	p := w.pool
	death := &WorkerExitError{Worker: w.slot, ExitCode: -1, Incarnation: w.incarnation}
	var exit exitState
	if process != nil {
		exit.Exit = process.Exit()
		death.PID, death.ExitCode, death.Signal = process.PID(), exit.Code, exit.Signal
	}
	if reason != nil {
		death.Reason = reason.Error()
	}
	known := process == nil
	learn := func() { // lets go of the lock
		if !known {
			known = true
			p.unlock()
			exit.output, exit.oomKilled = process.Output(), process.OOMKilled()
			death.Stderr, death.PeakPrivate = exit.output, max(death.PeakPrivate, process.Peak())
			if why, said := workerSays(exit.output); said && (!greeted || exit.Code == 1) {
				death.Reason = why
			}
			p.mu.Lock()
		}
	}
	died := time.Now()
	p.mu.Lock()
	w.died, w.spent, w.reaped = died, exit.CPU, true
	p.slots.used.dead += exit.CPU
	if !greeted || !w.triesAgainLocked(exit) {
		learn()
	}
	done, results := w.done > 0, w.results
	orderly := false
	if greeted {
		if p.opts.Isolation == Process { // else who writes it may not have ended
			death.Last = wire.ReadFlight(w.lane.Flight(), p.table.name)
		}
		p.acquireLocked()
		p.drainLocked() // its last words
		death.PeakPrivate, death.PeakShared = max(death.PeakPrivate, w.peakPrivate), w.peakShared
		if !w.triesAgainLocked(exit) {
			learn()
		}
		ran := w.ranLocked()
		done = w.done > 0 || ran != nil // which has its own bound
		orderly = w.retired != "" && reason == nil && (exit.Code == 0 || exit.Unknown != "") && !exit.Alive && ran == nil
		if ran != nil {
			death.Func, death.Attempt = ran.entry.name, ran.attempt
		}
		if known && !orderly {
			w.classifyLocked(death, true, exit, ran)
		}
		p.slots.reapsPending++
		p.forgetLocked(w, ran, death)
		p.passLocked()
		if !known {
			var id wire.TaskID
			if ran != nil {
				id = ran.id
			}
			learn()
			if ran != nil && ran.id != id {
				ran = nil
			}
			w.classifyLocked(death, true, exit, ran)
		}
	} else {
		w.classifyLocked(death, false, exit, nil)
	}
	w.proc = nil
	if exit.Alive {
		w.undead = append(w.undead, process)
	}
	ending := p.ending.cause != nil
	switch {
	case ending:
	case orderly:
		p.stats.Retired++
		p.hooks.log(slog.LevelInfo, "worker retired", "worker", w.slot, "pid", death.PID, "reason", w.retired)
		p.hooks.event(Event{Kind: EventRetired, Worker: w.slot, PID: death.PID, Incarnation: w.incarnation, Text: w.retired})
	default:
		p.mournLocked(death)
	}
	w.toldLocked(death)
	for _, e := range w.retries { // after the death that they come of
		e.Worker, e.PID, e.Incarnation = death.Worker, death.PID, death.Incarnation
		p.hooks.event(e)
	}
	w.retries = w.retries[:0]
	if greeted {
		p.slots.reapsPending--
		p.slots.wanted.Broadcast()
	}
	if !greeted {
		p.slots.failedStarts++
	}
	giveUp := p.slots.failedStarts >= maxFailedStarts && !ending && len(p.sched.open) == 0 // else there is somebody to work
	p.unlock()
	if why, said := workerSays(exit.output); said && (orderly || ending) {
		p.hooks.log(slog.LevelWarn, "a worker that ended said", "worker", w.slot, "pid", death.PID, "text", why)
	}
	if err := results.end(); err != nil {
		p.hooks.log(slog.LevelWarn, "could not remove a dead worker's results", "worker", w.slot, "error", err)
	}
	if giveUp {
		p.end(fmt.Errorf("pool: %d workers in a row did not start: %w", maxFailedStarts, death))
	}
	return done || orderly
}

// triesAgainLocked reports whether what a dead incarnation was running, if it was,
// is tried again whatever else becomes known of the death.
func (w *worker) triesAgainLocked(exit exitState) bool {
	t := w.runningLocked()
	return exit.Signal != "" && (t == nil || t.job == nil && !t.cancelled && w.pool.ending.cause == nil && t.attempt < w.pool.opts.Attempts)
}

// mournLocked counts a death, tells of it, and lets fewer workers run where it was
// for want of memory.
func (p *Pool) mournLocked(death *WorkerExitError) {
	if p.stats.Deaths == nil {
		p.stats.Deaths = map[Class]int64{}
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
func (e *WorkerExitError) forMemory() bool { return e.Class == ClassOOM || e.MemorySuspected }

// ranLocked is the task that a dead incarnation was running, nil if there was none.
func (w *worker) ranLocked() *task {
	l := w.lane
	ran := w.runningLocked()
	if s := l.Oldest(); !w.watch.still && ran == nil && s != nil && s.Live {
		t := w.pool.taskOf(s.ID)
		if t.unlucky++; t.unlucky > mostUnlucky { // it may wipe what says that it was begun
			ran = t
		}
	}
	return ran
}

// forgetLocked removes w's incarnation: the task that it was running has lost an
// attempt, those that only waited in its lane have lost nothing. Its numbers stay
// in the statistics. The caller has the role.
func (p *Pool) forgetLocked(w *worker, ran *task, death *WorkerExitError) {
	const keep = 256
	dead := w.statsLocked()
	dead.State = StateDead
	p.stats.Workers = append(p.stats.Workers, dead)
	if n := len(p.stats.Workers); n > keep {
		p.stats.Workers = append(p.stats.Workers[:0], p.stats.Workers[n-keep:]...)
	}
	p.sched.open = slices.DeleteFunc(slices.Clone(p.sched.open), func(o *worker) bool { return o == w })
	for t := range w.waitingLocked() {
		switch {
		case t == ran:
		case t.job != nil && !t.movable():
			p.ranges.removeLocked(t)
			p.settleLocked(t.job)
		case t.job != nil:
			p.requeueLocked(t)
		case p.ending.cause != nil:
			p.resolveLocked(t, nil, p.endedLocked())
		case t.cancelled:
			p.resolveLocked(t, nil, ErrCancelled)
		default:
			p.requeueLocked(t)
		}
	}
	if ran != nil && ran.job != nil {
		p.abandonLocked(w, ran, death)
	} else if ran != nil {
		w.lostLocked(ran, death)
		w.giveBackLocked(ran, death)
	}
	w.link, w.lane, w.knows, w.results, w.done = nil, nil, nil, nil, 0
	w.standby = false
	p.adjustLocked()
	p.dispatchLocked()
}

// mostUnlucky is how often a task that no worker has begun, as far as one can
// tell, may be next where one dies, or be moved from one that leaves it lying,
// without having lost an attempt.
const mostUnlucky = 8

// mostMemoryDeaths is how many deaths for want of memory a task may have while
// others run, beside its attempts: fewer run each time, until it is alone.
const mostMemoryDeaths = 16

// giveBackLocked decides what becomes of a task whose worker died under it.
func (w *worker) giveBackLocked(t *task, death *WorkerExitError) {
	p := w.pool
	switch {
	case p.ending.cause != nil:
		p.resolveLocked(t, nil, fmt.Errorf("%w while the task ran: %w", p.endedLocked(), death))
	case t.cancelled:
		p.resolveLocked(t, nil, fmt.Errorf("%w: %w", ErrCancelled, death))
	case t.attempt-t.memory >= p.opts.Attempts || t.attempt == wire.MaxAttempts:
		p.resolveLocked(t, nil, death)
	default:
		w.retries = append(w.retries, Event{Kind: EventRetry, Func: t.entry.name, Attempt: t.attempt + 1})
		p.retryLocked(t)
	}
}
