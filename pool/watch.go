package pool

import (
	"fmt"
	"time"

	"example.com/handoff/pool/internal/fate"
	"example.com/handoff/pool/internal/proc"
)

// A watch is what the watchdog knows of a worker, by looking at it now and then:
// no task reads a clock. Times are those that the supervisor was awake for, so that
// its own pause, by SIGSTOP or on a machine that was asleep, is held against
// nobody. A task is never found to run for longer than it did.
type watch struct {
	at      uint64        // of the oldest in the lane: its position, from 1; 0: nothing
	begun   bool          // it runs
	claim   uint64        // its block
	ran     time.Duration // since it was seen to be begun, or to lie there
	idle    time.Duration // of that, for which the worker slept though it was begun
	ending  time.Duration // since it was seen to be cancelled, or the worker to have nothing left to do
	stopped time.Duration // since it was seen to be
	sampled time.Duration // since the last look at the process

	cancelled, still bool // at the last look
}

const (
	watchTick   = time.Second // at most
	watchFinest = time.Millisecond
	sampleEvery = time.Second
	watchRest   = 3 // ticks without a task until it rests
)

// watchInterval is fine enough that a bound is overrun by an eighth.
func (o *Options) watchInterval() time.Duration {
	tick := watchTick
	for _, d := range []time.Duration{o.TaskTimeout, o.CancelGrace, o.StopTimeout, o.CloseTimeout} {
		if d > 0 {
			tick = min(tick, d/8)
		}
	}
	return max(tick, watchFinest)
}

// watchdog looks at workers while there are tasks: it kills those that overrun a
// bound, and retires those that have grown.
func (p *Pool) watchdog() {
	tick := p.opts.watchInterval()
	timer := time.NewTimer(tick)
	defer timer.Stop()
	last, idle := time.Now(), 0
	for {
		p.mu.Lock()
		if p.helpers.stopping {
			p.mu.Unlock()
			return
		}
		idle++
		if p.tasks.unresolved > 0 || p.endingLocked() {
			idle = 0
		}
		now := time.Now()
		awake := min(now.Sub(last), 2*tick)
		last = now
		look := p.watchLocked(awake)
		rest := idle > watchRest
		p.helpers.watchdogRests = rest
		p.unlock()
		for _, w := range look {
			w.sample()
		}
		if rest {
			<-p.helpers.watchdogWork
			p.mu.Lock()
			stopping := p.helpers.stopping
			p.mu.Unlock()
			if stopping {
				return
			}
			last, idle = time.Now(), 0
		}
		timer.Reset(tick)
		select {
		case <-timer.C:
		case <-p.helpers.watchdogWork: // it is the end
		}
	}
}

// endingLocked reports whether a worker is to end.
func (p *Pool) endingLocked() bool {
	for _, w := range p.slots.all {
		if w.link != nil && w.retired != "" {
			return true
		}
	}
	return false
}

// watchLocked adds the time since the last look to what runs, and returns the
// workers whose processes are to be looked at.
func (p *Pool) watchLocked(awake time.Duration) (look []*worker) {
	for _, w := range p.slots.all {
		if w.link == nil {
			continue
		}
		t, at, begun := w.runningLocked(), uint64(0), false
		if s := w.lane.Oldest(); s != nil {
			at, begun = w.lane.Position(), w.lane.OldestBegun()
		}
		if claim := w.lane.Claim(); at != w.watch.at || w.watch.begun != begun || t != nil && t.job != nil && claim != w.watch.claim {
			w.watch = watch{at: at, begun: begun, claim: claim, stopped: w.watch.stopped, sampled: w.watch.sampled, still: w.watch.still}
		} else {
			w.watch.ran += awake
			if begun && w.lane.Bell.Asleep() { // it sleeps nowhere else: what it was to run, or its result, was written over
				w.watch.idle += awake
			}
		}
		if w.watch.sampled += awake; w.watch.sampled >= min(sampleEvery, 2*p.opts.watchInterval()) && (at > 0 || w.watch.still) {
			w.watch.sampled = 0
			look = append(look, w)
		}
		switch {
		case w.reason != nil:
		case t == nil && w.retired != "":
			if w.watch.cancelled {
				w.watch.ending += awake
			}
			if w.watch.cancelled = true; w.watch.ending >= p.opts.CloseTimeout {
				w.endLocked(fate.Deadline, fmt.Errorf("it did not end within %v after it was asked to (%s)", p.opts.CloseTimeout, w.retired))
			}
		case w.lane.Err() != nil:
			w.failLocked(fmt.Errorf("the ring to it: %w", w.lane.Err()))
		case at > 0 && !begun && !w.watch.still && w.watch.ran >= p.opts.StopTimeout:
			w.endLocked(fate.Stopped, fmt.Errorf("it has not begun its next task for %v", p.opts.StopTimeout))
		case w.watch.idle >= p.opts.StopTimeout:
			w.failLocked(fmt.Errorf("it has slept for %v though its next task was begun: its lane was written over", p.opts.StopTimeout))
		case t == nil:
		case p.opts.TaskTimeout > 0 && w.watch.ran >= p.opts.TaskTimeout:
			w.endLocked(fate.Deadline, fmt.Errorf("%s ran longer than its time limit of %v", t.entry.name, p.opts.TaskTimeout))
		case t.cancelled && !t.gentle:
			if w.watch.cancelled {
				w.watch.ending += awake
			}
			if w.watch.cancelled = true; w.watch.ending >= p.opts.CancelGrace {
				w.endLocked(fate.Cancel, fmt.Errorf("%s did not end within %v after it was cancelled", t.entry.name, p.opts.CancelGrace))
			}
		}
	}
	return look
}

// sample looks at w's process and acts on what it sees.
func (w *worker) sample() {
	p := w.pool
	p.mu.Lock()
	process := w.proc
	p.mu.Unlock()
	if process == nil || p.opts.Isolation == Goroutine {
		return
	}
	s := proc.Look(process.PID())
	p.mu.Lock()
	defer p.unlock()
	if !s.OK || w.proc != process || w.link == nil {
		return
	}
	w.private, w.peakPrivate, w.peakShared = s.Private, max(w.peakPrivate, s.Private), max(w.peakShared, s.Shared)
	if s.Stopped && !w.watch.still {
		w.watch.still = true
	} else if s.Stopped {
		if w.watch.stopped += min(sampleEvery, 2*p.opts.watchInterval()); w.watch.stopped >= p.opts.StopTimeout {
			w.endLocked(fate.Stopped, fmt.Errorf("it was stopped (by SIGSTOP, or a debugger) for %v", p.opts.StopTimeout))
		}
	} else {
		w.watch.stopped, w.watch.still = 0, false
	}
	if most := p.opts.RecycleMemory; most > 0 && s.Private > most {
		w.retireLocked(fmt.Sprintf("it has %d bytes of private memory, more than it may have when it is kept", s.Private))
	}
}

// endLocked kills an incarnation for what it does.
func (w *worker) endLocked(class fate.Class, why error) {
	if w.reason == nil {
		w.killed = class
		w.failLocked(why)
	}
}
