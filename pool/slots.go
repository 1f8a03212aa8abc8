package pool

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"example.com/handoff/pool/internal/fate"
	"example.com/handoff/pool/internal/life"
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

// slots are the worker slots, and how many workers run. Guarded by Pool.mu.
type slots struct {
	all []*worker
	// wanted hears when a worker slot may be wanted, and when a death is counted.
	wanted       sync.Cond
	firstReady   chan struct{} // closed when the first worker is ready
	width        life.Width
	climber      *time.Timer // of width
	restarts     life.Restarts
	alive        int // slots between start and death
	incarnation  int // the last
	kills        fate.Kills
	used         workerCPU
	reapsPending int // deaths whose task has gone on, and that are not counted yet
}

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
	case w.lane.Len() > 0:
		return StateRunning
	}
	return StateIdle
}

// admit waits until the pool wants one worker more and reports whether it does:
// false when it has ended.
func (w *worker) admit() bool {
	p := w.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.ending.cause == nil && p.slots.alive >= p.slots.width.Now()+p.opts.Replacement.Spares {
		p.slots.wanted.Wait()
	}
	if p.ending.cause != nil {
		return false
	}
	p.slots.alive++
	return true
}

// adjustLocked makes as many workers run as the pool's width says: it promotes
// spares, and retires what is too much.
func (p *Pool) adjustLocked() {
	if p.ending.cause != nil {
		return
	}
	for _, w := range p.slots.all {
		if w.standby && w.open() && p.openLocked() < p.slots.width.Now() {
			w.standby = false
			p.addLaneLocked(w)
		}
	}
	for p.openLocked() > p.slots.width.Now() { // counted each time: to retire one may find others gone
		var least *worker
		for _, w := range p.sched.workers {
			if w.open() && (least == nil || w.lane.Len() <= least.lane.Len()) {
				least = w
			}
		}
		least.retireLocked(fmt.Sprintf("the pool runs %d workers now", p.slots.width.Now()))
	}
	spares := 0
	for _, w := range p.slots.all {
		if w.standby && w.open() {
			if spares++; spares > p.opts.Replacement.Spares {
				w.retireLocked("there are enough spares")
			}
		}
	}
	p.slots.wanted.Broadcast()
}

// retireLocked lets w finish what it runs and end: what waits in its lane goes to
// others.
func (w *worker) retireLocked(why string) {
	if !w.open() {
		return
	}
	w.retired = why
	p, l := w.pool, w.lane
	for t := range w.waitingLocked() {
		switch {
		case !l.Revoke(t.place.at):
		case t.share.movable():
			p.requeueLocked(t)
		default:
			p.withdrawShareLocked(t)
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
	if p.ending.cause != nil {
		return p.endedLocked()
	}
	if p.slots.width.Resize(n) {
		p.widthChangedLocked("by Resize")
	}
	return nil
}

// widthChangedLocked makes as many workers run as the width says now.
func (p *Pool) widthChangedLocked(why string) {
	n := p.slots.width.Now()
	for len(p.slots.all) < n+p.opts.Replacement.Spares {
		p.addSlotLocked()
	}
	p.hooks.log(slog.LevelInfo, "width changed", "width", n, "target", p.slots.width.Target(), "reason", why)
	p.hooks.event(Event{Kind: EventWidth, Width: n, Text: why})
	p.adjustLocked()
	p.dispatchLocked()
}

func (p *Pool) addSlotLocked() {
	w := &worker{pool: p, slot: len(p.slots.all)}
	p.slots.all = append(p.slots.all, w)
	p.ending.owners.Go(w.own)
}

// stepDownLocked is a death for want of memory.
func (p *Pool) stepDownLocked(why string) {
	if p.opts.Replacement.KeepWidth || p.ending.cause != nil {
		return
	}
	if p.slots.width.MemoryDeath() {
		p.widthChangedLocked(why + ": hand large payloads over as Views, not as copies, or set fewer Workers")
	}
	if p.slots.climber == nil {
		p.slots.climber = time.AfterFunc(life.ClimbAfter, p.climb)
	} else {
		p.slots.climber.Reset(life.ClimbAfter)
	}
}

// climb lets one worker more run.
func (p *Pool) climb() {
	p.mu.Lock()
	defer p.unlock()
	if p.ending.cause != nil {
		return
	}
	changed, again := p.slots.width.Quiet()
	if changed {
		p.widthChangedLocked("no worker was killed for want of memory lately")
	}
	if again {
		p.slots.climber.Reset(life.ClimbAfter)
	}
}

// addLaneLocked lets w be given tasks.
func (p *Pool) addLaneLocked(w *worker) {
	p.sched.workers = append(p.sched.workers[:len(p.sched.workers):len(p.sched.workers)], w) // a new slice: the leader looks at the old one
	slices.SortFunc(p.sched.workers, func(a, b *worker) int { return a.slot - b.slot })
	p.leader.kick()
}

// openLocked counts the workers that can be given tasks: not those that end.
func (p *Pool) openLocked() (n int) {
	for _, w := range p.sched.workers {
		if w.open() {
			n++
		}
	}
	return n
}

// workerCPU sums the CPU time of worker processes. Pool.mu guards it.
type workerCPU struct {
	dead time.Duration // of those that have died
	most time.Duration // the most that was ever returned
}
