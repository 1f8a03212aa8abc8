package pool

import (
	"context"
	"fmt"
	"sync"
	"time"

	"example.com/handoff/pool/internal/fate"
	"example.com/handoff/pool/internal/life"
	"example.com/handoff/pool/internal/proc"
)

// helpers are the goroutines beside those that own worker slots: the dispatcher and
// the watchdog. All but running is guarded by Pool.mu.
type helpers struct {
	running         sync.WaitGroup
	stopping        bool
	dispatcherRests bool          // it sleeps until there is work
	dispatcherWork  chan struct{} // wakes it
	watchdogRests   bool
	watchdogWork    chan struct{}
}

// The dispatcher leads where nobody waits, or only long waits: so that arguments
// are released and workers get more. It looks once a tick, and rests while there
// are no tasks or somebody leads who sleeps.
const (
	dispatchTick = 4 * time.Millisecond
	restAfter    = 25 // ticks without a task
)

func (p *Pool) dispatch() {
	timer := time.NewTimer(dispatchTick)
	defer timer.Stop()
	polls, idle := uint64(0), 0
	for {
		p.mu.Lock()
		if p.helpers.stopping {
			p.mu.Unlock()
			return
		}
		if p.tasks.unresolved > 0 {
			idle = 0
			if !p.leader.held && (p.leader.drains == polls || p.leader.pollDue) {
				p.leader.held, p.leader.pollDue = true, false
				p.leadUnlocking(context.Background(), nil, nil)
			}
		} else {
			idle++
		}
		rest := idle > restAfter || p.leader.held && p.leader.drains == polls
		polls = p.leader.drains
		p.helpers.dispatcherRests = rest
		p.unlock()
		if rest {
			<-p.helpers.dispatcherWork
			idle = 0
			continue
		}
		timer.Reset(dispatchTick)
		<-timer.C
	}
}

// wakeHelpersLocked wakes the dispatcher and the watchdog where they are needed.
func (p *Pool) wakeHelpersLocked() {
	if p.helpers.watchdogRests {
		p.wakeWatchLocked()
	}
	if p.helpers.dispatcherRests && !p.leader.held {
		p.wakeLocked()
	}
}

func (p *Pool) wakeWatchLocked() {
	p.helpers.watchdogRests = false
	select {
	case p.helpers.watchdogWork <- struct{}{}:
	default:
	}
}

func (p *Pool) wakeLocked() {
	if p.helpers.dispatcherRests {
		p.helpers.dispatcherRests = false
		p.helpers.dispatcherWork <- struct{}{}
	}
}

// stopDispatch ends the dispatcher, and leading. There are no workers any more.
func (p *Pool) stopDispatch() {
	p.mu.Lock()
	p.helpers.stopping = true
	p.wakeLocked()
	p.wakeWatchLocked()
	p.leader.kick()
	p.unlock()
	p.helpers.running.Wait()
	p.mu.Lock()
	p.preemptUnlocking() // for good: the doorbell is about to go, and who waits still is told by who resolves
	p.leader.unhook()
	p.leader.current = nil
	p.unlock()
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
	for _, d := range []time.Duration{o.TaskTimeout, o.Timeouts.Cancel, o.Timeouts.Stop, o.Timeouts.Close} {
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

// watchLocked adds the time since the last look to what runs, acts on what has overrun a
// bound, and returns the workers whose processes are to be looked at.
func (p *Pool) watchLocked(awake time.Duration) (look []*worker) {
	for _, w := range p.slots.all {
		if w.link == nil {
			continue
		}
		t := w.runningLocked()
		seen := life.Seen{
			Position: w.lane.Position(), Begun: w.lane.OldestStarted(), Running: t != nil, Asleep: w.lane.Doorbell.Asleep(),
			Retiring: w.retired != "", Cancelled: t != nil && t.cancel.asked && !t.cancel.cooperative,
		}
		if t != nil && t.share.job != nil {
			seen.Claim = w.lane.Claim()
		}
		overrun := w.watch.Look(seen, awake, p.opts.bounds())
		if w.watch.SampleDue(awake, p.opts.sampleInterval()) {
			look = append(look, w)
		}
		if err := w.lane.Err(); err != nil {
			w.failLocked(fmt.Errorf("the ring to it: %w", err))
		}
		if w.reason == nil {
			w.overrunLocked(t, overrun)
		}
	}
	return look
}

func (o *Options) bounds() life.Limits {
	return life.Limits{Task: o.TaskTimeout, Cancel: o.Timeouts.Cancel, Stop: o.Timeouts.Stop, Close: o.Timeouts.Close}
}

func (o *Options) sampleInterval() time.Duration { return min(sampleEvery, 2*o.watchInterval()) }

// overrunLocked ends an incarnation that has overrun a bound, perhaps under t.
func (w *worker) overrunLocked(t *task, bound life.Overrun) {
	o := &w.pool.opts
	switch bound {
	case life.NotEnded:
		w.endLocked(fate.Deadline, fmt.Errorf("it did not end within %v after it was asked to (%s)", o.Timeouts.Close, w.retired))
	case life.NotBegun:
		w.endLocked(fate.Stopped, fmt.Errorf("it has not begun its next task for %v", o.Timeouts.Stop))
	case life.SleptThrough:
		w.failLocked(fmt.Errorf("it has slept for %v though its next task was begun: its lane was written over", o.Timeouts.Stop))
	case life.RanTooLong:
		w.endLocked(fate.Deadline, fmt.Errorf("%s ran longer than its time limit of %v", t.entry.name, o.TaskTimeout))
	case life.NotCancelled:
		w.endLocked(fate.Cancel, fmt.Errorf("%s did not end within %v after it was cancelled", t.entry.name, o.Timeouts.Cancel))
	}
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
	w.memory.private, w.memory.peakPrivate, w.memory.peakShared = s.Private, max(w.memory.peakPrivate, s.Private), max(w.memory.peakShared, s.Shared)
	if w.watch.Sampled(s.Stopped, p.opts.sampleInterval(), p.opts.Timeouts.Stop) {
		w.endLocked(fate.Stopped, fmt.Errorf("it was stopped (by SIGSTOP, or a debugger) for %v", p.opts.Timeouts.Stop))
	}
	if most := p.opts.Replacement.AboveMemory; most > 0 && s.Private > most {
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
