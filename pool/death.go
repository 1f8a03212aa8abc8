package pool

import (
	"fmt"
	"slices"
)

// bury takes a dead incarnation out of the pool: its task is tried again or
// resolved. proc is nil if there never was a process.
func (w *worker) bury(proc process, reason error, greeted bool) int64 {
	p := w.pool
	death := &WorkerExitError{Worker: w.slot, ExitCode: -1}
	if proc != nil {
		exit := proc.Exit()
		death.PID, death.ExitCode, death.Signal, death.Stderr = proc.PID(), exit.code, exit.signal, exit.output
	}
	switch {
	case !greeted:
		death.Class = ClassStart
	case reason != nil:
		death.Class = ClassProtocol
	case death.Signal != "":
		death.Class = ClassSignal
	default:
		death.Class = ClassExit
	}
	if reason != nil {
		death.Reason = reason.Error()
	}

	p.mu.Lock()
	done, results := w.done, w.results
	if greeted {
		p.acquireLocked()
		p.drainLocked() // its last words
		done = w.done
		p.forgetLocked(w, death)
		p.passLocked()
	}
	w.proc = nil
	ending := p.cause != nil
	if !ending {
		if p.stats.Deaths == nil {
			p.stats.Deaths = map[Class]int64{}
		}
		p.stats.Deaths[death.Class]++
		p.stats.Respawns++
		p.opts.Logger.Warn("worker died", "worker", w.slot, "pid", death.PID, "class", death.Class, "error", death)
	}
	if !greeted {
		p.starts++
	}
	giveUp := p.starts >= maxFailedStarts && !ending
	p.unlock()
	if err := results.end(); err != nil {
		p.opts.Logger.Warn("could not remove a dead worker's results", "worker", w.slot, "error", err)
	}
	if giveUp {
		p.end(fmt.Errorf("pool: %d workers in a row did not start: %w", maxFailedStarts, death))
	}
	return done
}

// forgetLocked removes w's incarnation: the task that it was running has lost an
// attempt, those that only waited in its lane have lost nothing. Its numbers stay
// in the statistics. The caller has the role.
func (p *Pool) forgetLocked(w *worker, death *WorkerExitError) {
	const keep = 256
	p.stats.Workers = append(p.stats.Workers, w.stats())
	if n := len(p.stats.Workers); n > keep {
		p.stats.Workers = append(p.stats.Workers[:0], p.stats.Workers[n-keep:]...)
	}
	p.lanes = slices.DeleteFunc(slices.Clone(p.lanes), func(o *worker) bool { return o == w })
	l := w.lane
	ran := l.running()
	if s := l.oldest(); ran == nil && s != nil && s.t != nil && s.t.job == nil {
		if s.t.unlucky++; s.t.unlucky > mostUnlucky { // it may wipe what says that it was begun
			ran = s.t
		}
	}
	for i := len(l.sent) - 1; i >= l.first; i-- {
		switch t := l.sent[i].t; {
		case t == nil || t == ran:
		case t.job != nil && !t.movable():
			t.job.members--
			p.settleLocked(t.job)
		case t.job != nil:
			p.requeueLocked(t)
		case p.cause != nil:
			p.resolveLocked(t, nil, p.endedLocked())
		case t.cancelled || t.discarded:
			p.resolveLocked(t, nil, ErrCancelled)
		default:
			p.requeueLocked(t)
		}
	}
	if ran != nil && ran.job != nil {
		p.abandonLocked(w, ran, death)
	} else if ran != nil {
		p.stats.Attempts++
		death.Func, death.Attempt = ran.entry.name, ran.attempt
		p.giveBackLocked(ran, death)
	}
	w.link, w.lane, w.knows, w.results, w.done = nil, nil, nil, nil, 0
	p.dispatchLocked()
}

// mostUnlucky is how often a task that no worker has begun, as far as one can
// tell, may be next where one dies without having lost an attempt.
const mostUnlucky = 8

// giveBackLocked decides what becomes of a task whose worker died under it.
func (p *Pool) giveBackLocked(t *task, death *WorkerExitError) {
	switch {
	case p.cause != nil:
		p.resolveLocked(t, nil, fmt.Errorf("%w while the task ran: %w", p.endedLocked(), death))
	case t.cancelled || t.discarded:
		p.resolveLocked(t, nil, fmt.Errorf("%w: %w", ErrCancelled, death))
	case t.attempt >= p.opts.Attempts:
		p.resolveLocked(t, nil, death)
	default:
		t.state, t.worker = taskPending, nil
		p.pending.pushFront(t)
	}
}
