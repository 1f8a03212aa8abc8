package pool

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"example.com/handoff/pool/internal/wire"
)

// A State is what a worker slot does. The package comment draws how it changes.
type State string

const (
	StateStarting State = "starting" // its process was started and has not said hello
	StateStandby  State = "standby"  // a spare: ready, and given no tasks
	StateIdle     State = "idle"
	StateRunning  State = "running"
	StateDraining State = "draining" // it finishes what it runs and ends
	StateDead     State = "dead"     // there is no process
)

// stateLocked is w's.
func (w *worker) stateLocked() State {
	switch {
	case w.proc == nil:
		return StateDead
	case w.link == nil:
		return StateStarting
	case w.retired != "":
		return StateDraining
	case w.standby:
		return StateStandby
	case w.lane.length() > 0:
		return StateRunning
	}
	return StateIdle
}

// open reports whether w may be given tasks.
func (w *worker) open() bool { return w.reason == nil && w.retired == "" }

// admit waits until the pool wants one worker more and reports whether it does:
// false when it has ended.
func (w *worker) admit() bool {
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.cause == nil && p.alive >= p.width+p.opts.Spares {
		p.room.Wait()
	}
	if p.cause != nil {
		return false
	}
	p.alive++
	return true
}

// adjustLocked makes as many workers run as the pool's width says: it promotes
// spares, and retires what is too much.
func (p *Pool) adjustLocked() {
	if p.cause != nil {
		return
	}
	for _, w := range p.workers {
		if w.standby && w.open() && p.openLocked() < p.width {
			w.standby = false
			p.addLaneLocked(w)
		}
	}
	for p.openLocked() > p.width { // counted each time: to retire one may find others gone
		var least *worker
		for _, w := range p.lanes {
			if w.open() && (least == nil || w.lane.length() <= least.lane.length()) {
				least = w
			}
		}
		least.retireLocked(fmt.Sprintf("the pool runs %d workers now", p.width))
	}
	spares := 0
	for _, w := range p.workers {
		if w.standby && w.open() {
			if spares++; spares > p.opts.Spares {
				w.retireLocked("there are enough spares")
			}
		}
	}
	p.room.Broadcast()
}

// retireLocked lets w finish what it runs and end: what waits in its lane goes to
// others.
func (w *worker) retireLocked(why string) {
	if !w.open() {
		return
	}
	w.retired = why
	p, l := w.pool, w.lane
	for i := len(l.sent) - 1; i >= l.first; i-- {
		switch t := l.sent[i].t; {
		case t == nil || !l.takeBack(t):
		case t.job == nil || t.movable():
			p.requeueLocked(t)
		default:
			t.job.members--
			p.settleLocked(t.job)
		}
	}
	w.link.Send([]byte{wire.MsgDrain}, -1)
	p.wakeWatchLocked()
	p.dispatchLocked()
}

// Resize changes how many workers run, to n from 1 to [MaxWorkers]: more are
// started, and those that are too many finish what they run. It returns at once.
// It is also what the pool climbs to again after it has run fewer because memory
// was short.
func (p *Pool) Resize(n int) error {
	if n < 1 || n > MaxWorkers {
		return fmt.Errorf("pool: resize to %d workers, expected 1 to %d", n, MaxWorkers)
	}
	p.mu.Lock()
	defer p.unlock()
	if p.cause != nil {
		return p.endedLocked()
	}
	p.ceiling = 0
	p.target = n
	p.setWidthLocked(n, "by Resize")
	return nil
}

// setWidthLocked changes the number of workers that run at once.
func (p *Pool) setWidthLocked(n int, why string) {
	if n == p.width || p.cause != nil {
		return
	}
	p.width = n
	for len(p.workers) < n+p.opts.Spares {
		p.addSlotLocked()
	}
	p.logs.log(slog.LevelInfo, "width changed", "width", n, "target", p.target, "reason", why)
	p.events.emit(Event{Kind: EventWidth, Width: n, Text: why})
	p.adjustLocked()
	p.dispatchLocked()
}

func (p *Pool) addSlotLocked() {
	w := &worker{pool: p, slot: len(p.workers)}
	p.workers = append(p.workers, w)
	p.owners.Go(w.own)
}

// Memory is short where a worker is killed for it. Then half as many run, and, as
// long as it does not happen again, one more after each climbAfter, up to one less
// than were running when it happened last: the ceiling. After climbAfter times
// tryAgain without a death the ceiling itself is tried again.
const (
	climbAfter = 10 * time.Second
	tryAgain   = 12
)

// stepDownLocked is a death for want of memory.
func (p *Pool) stepDownLocked(why string) {
	if p.opts.KeepWidth {
		return
	}
	if p.width > 1 {
		p.ceiling = p.width - 1
		p.setWidthLocked(max(p.width/2, 1), why+": hand large payloads over as Views, not as copies, or set fewer Workers")
	}
	p.calm = 0
	if p.climber == nil {
		p.climber = time.AfterFunc(climbAfter, p.climb)
	} else {
		p.climber.Reset(climbAfter)
	}
}

// climb lets one worker more run.
func (p *Pool) climb() {
	p.mu.Lock()
	defer p.unlock()
	if p.cause != nil || p.width >= p.target {
		return
	}
	p.calm++
	if p.width < p.ceiling || p.calm >= tryAgain {
		if p.width >= p.ceiling {
			p.calm, p.ceiling = 0, p.width+1
		}
		p.setWidthLocked(p.width+1, "no worker was killed for want of memory lately")
	}
	p.climber.Reset(climbAfter)
}

// retryLocked puts a task whose worker died back in line, after a while: at once the
// first time, then up to 10 ms, 20 ms, … 1 s, with full jitter.
func (p *Pool) retryLocked(t *task) {
	t.state, t.worker = taskPending, nil
	t.deaths++
	p.stats.Retries++
	if t.deaths == 1 {
		p.pending.pushFront(t)
		return
	}
	t.later = true
	p.later.pushBack(t)
	id, wait := t.id, rand.N(min(restUnit<<min(t.deaths-2, 10), restMost))
	time.AfterFunc(wait, func() {
		p.mu.Lock()
		defer p.unlock()
		if t.id == id && t.later {
			p.later.remove(t)
			t.later = false
			p.pending.pushFront(t)
			p.dispatchLocked()
		}
	})
}
