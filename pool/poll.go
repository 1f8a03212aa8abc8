package pool

import (
	"context"
	"sync/atomic"
	"time"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm/ring"
)

// Somebody must look into the lanes for results and hand them to whom they
// belong: the poller. It is whoever waits for a future and finds nobody else
// polling; for as long as it waits, it does so for everybody. When it has what
// it wants it passes the role on to one that waits, and nobody polls when nobody
// waits, but for the dispatcher, which comes by now and then. Who has waited for
// long is patient: it leaves the role to the dispatcher, so that one who waits for
// a short task finds the role free and does not get its result through two hands.
//
// The role is Pool.polling, under Pool.mu. Who has it may use the upward rings
// and the supervisor's bell, and look at the rings without the lock.
//
//	         ┌───────── nobody waits ─────────┐
//	         ▼                                │
//	polling = false ──Wait, dispatcher──▶ polling = true ──passLocked──▶ a parked waiter's
//
// Invariants, each under Pool.mu: the role has at most one holder; nobody but the
// patient is parked while nobody has it, and then the dispatcher is due; a parked waiter's task is unresolved, and resolving
// it or passing it the role takes it out of the list and puts exactly one token
// into its channel, which it takes in every case. The poller itself is told by a
// kick of what did not come through a ring: its own task was resolved by somebody
// else, its context has ended, there is a new lane, or somebody needs the role at once.
//
// Code that is not this package's must not hold anybody up. The methods of a caller's
// context, which may be of any type, are called without the lock; marshalling methods
// and the hooks of segments and views run recovered, without the lock; and a panic that
// unwinds the poller gives the role on.

// A waiter is parked until it has a token: its task is resolved, or it is given the role.
type waiter struct {
	token      chan struct{} // capacity 1
	over       bool          // what it waits for is there
	looked     bool          // it was not there at once
	parked     bool
	poller     bool      // the token is the role
	patient    bool      // has waited for long, and is not given the role
	slept      time.Time // the poller's first sleep; zero before
	urgent     bool      // it wants the role and nothing else
	prev, next *waiter
}

// A waiterList is first in, first out, but for urgent ones.
type waiterList struct{ first, last *waiter }

func (l *waiterList) push(w *waiter) {
	w.parked = true
	if w.urgent {
		if w.prev, w.next = nil, l.first; l.first != nil {
			l.first.prev = w
		} else {
			l.last = w
		}
		l.first = w
		return
	}
	if w.prev, w.next = l.last, nil; l.last != nil {
		l.last.next = w
	} else {
		l.first = w
	}
	l.last = w
}

func (l *waiterList) remove(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.last = w.prev
	}
	w.prev, w.next, w.parked = nil, nil, false
}

// A leader is what the poller's role needs. Guarded by Pool.mu, but for kicks and what
// only the holder of the role uses.
type leader struct {
	doorbell  *ring.Bell // the supervisor's
	kicks     atomic.Uint32
	held      bool // somebody has the role
	draining  bool // and is in drainLocked, past which it looks at its own task
	parked    waiterList
	longWaits waiterList // parked too, but not for the role
	current   *waiter    // who has the role
	pollDue   bool       // the dispatcher is to poll
	drains    uint64

	// Of the holder alone.
	record    []byte
	watched   []*worker
	seenKicks uint32
	readyFunc func() bool
	ctxDone   <-chan struct{} // of the context whose end is a kick
	ctxStop   func() bool
}

// await returns with p.mu held and the future's task resolved and the caller's
// to free, or with an error and without p.mu.
func (p *Pool) await(ctx context.Context, id wire.TaskID) (*task, error) {
	done := ctx.Done()
	p.mu.Lock()
	t := p.lookLocked(id)
	if t == nil || t.waiting {
		p.mu.Unlock()
		return nil, ErrWaited
	}
	t.waiting = true
	if !p.waitLocked(ctx, done, &t.waiter) {
		t.waiting = false
		p.unlock()
		return nil, contextErr(ctx)
	}
	return t, nil
}

// contextErr is why a context has ended whose Done is closed. It calls a method of the
// context, and so needs Pool.mu not to be held.
func contextErr(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return context.Canceled
}

// hasEnded reports whether done, of a context, is closed.
func hasEnded(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// waitLocked waits until w is over, or ctx, whose Done is done, has ended. It reports
// whether w is over.
func (p *Pool) waitLocked(ctx context.Context, done <-chan struct{}, w *waiter) bool {
	for ended := false; !w.over && !ended; {
		if (p.leader.held || w.patient) && !w.poller {
			ended = p.parkLocked(done, w)
		} else {
			p.leader.held, w.poller = true, false
			ended = p.pollLocked(ctx, done, w)
		}
	}
	if w.poller { // it was given the role too late
		w.poller = false
		p.passLocked()
	}
	w.patient, w.slept = false, time.Time{}
	return w.over
}

// parkLocked waits for a token, and reports whether done was closed instead.
func (p *Pool) parkLocked(done <-chan struct{}, w *waiter) (ended bool) {
	w.looked = true
	p.parkedOf(w).push(w)
	p.unlock()
	select {
	case <-w.token:
		p.mu.Lock()
		return false
	case <-done:
		p.mu.Lock()
	}
	if w.parked {
		p.parkedOf(w).remove(w)
	} else {
		<-w.token
	}
	return true
}

// overLocked tells who waits, or will.
func (p *Pool) overLocked(w *waiter) {
	w.over = true
	switch {
	case w.parked:
		p.unparkLocked(w)
	case p.leader.current == w && !p.leader.draining: // else it is the poller itself who comes here
		p.kick()
	}
}

// unparkLocked gives a parked waiter its token.
func (p *Pool) unparkLocked(w *waiter) {
	p.parkedOf(w).remove(w)
	w.token <- struct{}{}
}

// parkedOf is the list that w is in, or will be.
func (p *Pool) parkedOf(w *waiter) *waiterList {
	if w.patient {
		return &p.leader.longWaits
	}
	return &p.leader.parked
}

// passLocked gives the role on, or up.
func (p *Pool) passLocked() {
	p.leader.current = nil
	w := p.leader.parked.first
	p.leader.held = w != nil
	if w != nil {
		w.poller = true
		p.unparkLocked(w)
	} else if p.tasks.unresolved > 0 {
		p.workLocked()
	}
}

// acquireLocked waits for the role; the poller leaves at once.
func (p *Pool) acquireLocked() {
	if !p.leader.held {
		p.leader.held = true
		return
	}
	w := &waiter{token: make(chan struct{}, 1), urgent: true}
	p.leader.parked.push(w)
	p.kick()
	p.unlock()
	<-w.token
	p.mu.Lock()
}

// kick makes the poller look at more than the rings.
func (p *Pool) kick() {
	p.leader.kicks.Add(1)
	p.leader.doorbell.Ring()
}

// patientAfter is for how long a poller sleeps again and again before it leaves
// the role to the dispatcher. A round trip beside a long wait takes 13 times as long
// without: BenchmarkHot/op=roundtrip/workers=2/beside=wait.
const patientAfter = 20 * time.Millisecond

// isPatient reports whether w has waited for long.
func (w *waiter) isPatient() bool {
	if w.slept.IsZero() {
		w.slept = time.Now()
	}
	return time.Since(w.slept) > patientAfter
}

// longestSleep bounds what a hostile worker can do to the supervisor's bell.
const longestSleep = time.Second

// pollLocked has the role. It polls until w is over (with nil: until no task
// is unresolved, or somebody waits), ctx, whose Done is done, has ended, or somebody
// needs the role at once, and gives it on. It reports whether ctx has ended.
func (p *Pool) pollLocked(ctx context.Context, done <-chan struct{}, w *waiter) (ended bool) {
	p.leader.current = w
	passed := false
	defer p.unwindLocked(&passed)
	for {
		came := p.leader.parked.first != nil
		p.drainLocked()
		over := w != nil && w.over
		ended = !over && hasEnded(done)
		if over || ended || p.leader.parked.first != nil && (w == nil || p.leader.parked.first.urgent) || w == nil && (came || p.tasks.unresolved == 0 || p.helpers.stopping) {
			passed = true
			p.passLocked()
			return ended
		}
		if w != nil {
			w.looked = true
		}
		p.leader.seenKicks, p.leader.watched = p.leader.kicks.Load(), p.sched.open
		ready := false
		p.awayLocked(func() { ready = p.leader.doorbell.Look(p.leader.readyFunc, longestSleep) })
		if ready || p.stealLocked() {
			continue
		}
		if w != nil && w.isPatient() {
			w.patient, p.leader.pollDue = true, true
			passed = true
			p.passLocked()
			return false
		}
		lies := p.liesLocked()
		most := longestSleep
		if w != nil {
			most = patientAfter
		} else if lies {
			most = stuckAfter
		}
		p.awayLocked(func() {
			p.hook(ctx, done)
			p.leader.doorbell.Sleep(p.leader.readyFunc, most)
		})
	}
}

// unwindLocked gives the role and the lock up where a panic, which is the caller's,
// unwinds the poller before it has passed the role on: others go on.
func (p *Pool) unwindLocked(passed *bool) {
	if !*passed {
		p.leader.draining = false
		p.passLocked()
		p.unlock()
	}
}

// awayLocked calls f without Pool.mu, and holds it again however f has ended.
func (p *Pool) awayLocked(f func()) {
	p.unlock()
	defer p.mu.Lock()
	f()
}

// ready is what the poller looks at without the lock.
func (p *Pool) ready() bool {
	if p.leader.kicks.Load() != p.leader.seenKicks {
		return true
	}
	for _, w := range p.leader.watched {
		if w.lane.Ready() {
			return true
		}
	}
	return false
}

// hook makes the end of ctx a kick. It stays until there is another context to
// wait under, so that a context that is used again costs nothing.
func (p *Pool) hook(ctx context.Context, done <-chan struct{}) {
	if done != p.leader.ctxDone {
		p.unhook()
		if done != nil {
			p.leader.ctxDone, p.leader.ctxStop = done, context.AfterFunc(ctx, p.contextEnded)
		}
	}
}

// contextEnded is a kick under the lock: not between the poller's look at its
// context and that at the kicks, and not when the bell is gone.
func (p *Pool) contextEnded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.helpers.stopping { // else all is resolved
		p.kick()
	}
}

func (p *Pool) unhook() {
	if p.leader.ctxDone != nil {
		p.leader.ctxStop()
		p.leader.ctxDone, p.leader.ctxStop = nil, nil
	}
}

// drainLocked takes what the rings hold, and gives the workers more. The caller
// has the role.
func (p *Pool) drainLocked() {
	p.leader.drains++
	p.leader.draining = true
	for _, w := range p.sched.open {
		for l := w.lane; !l.Broken; {
			record, ok, err := l.Take(p.leader.record)
			if ok {
				err = w.finishLocked(record)
			}
			if !ok && err == nil {
				err = l.Err()
			}
			if err != nil {
				l.Broken = true
				w.failLocked(err)
			} else if !ok {
				break
			}
		}
	}
	p.leader.draining = false
	p.dispatchLocked()
	if len(p.releases.tasks)+len(p.releases.views) > 0 {
		p.unlock()
		p.mu.Lock()
	}
}

// share makes zeroed memory for a process that gets its descriptor, or for
// goroutines.
func (p *Pool) share(bytes int) (lane.Memory, error) {
	if p.opts.Isolation == Goroutine {
		return lane.LocalMemory(bytes), nil
	}
	return lane.NewMemory(p.segments.run, bytes)
}

// openLane makes the lane of a new incarnation.
func (p *Pool) openLane() (*lane.Lane, error) {
	mem, err := p.share(lane.Bytes)
	if err != nil {
		return nil, err
	}
	return lane.New(mem, p.opts.Isolation == Goroutine)
}

// makeControl makes what all workers share: the one bell at which they ring, and
// the counters of ranges.
func (p *Pool) makeControl() (err error) {
	if p.ranges.control, err = p.share(lane.ControlBytes); err != nil {
		return err
	}
	if p.opts.Isolation == Goroutine {
		p.leader.doorbell = ring.NewLocalBell()
		return nil
	}
	p.leader.doorbell, err = lane.Bell(p.ranges.control.Bytes)
	return err
}
