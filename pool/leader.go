package pool

import (
	"context"
	"sync/atomic"
	"time"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm/ring"
)

// Somebody must look into the lanes for results and hand them to whom they belong: the
// leader of the waiters. It is whoever waits for a future and finds nobody else leading;
// for as long as it waits, it does so for everybody. When it has what it wants it hands
// over to one that waits, and nobody leads when nobody waits, but for the dispatcher,
// which comes by now and then. Who has waited for long leaves leading to the dispatcher,
// so that one who waits for a short task can lead at once and does not get its result
// through two hands. The pattern is Leader/Followers (Schmidt et al., POSA2, 2000).
//
// The leader may take from the upward rings and wait at the supervisor's doorbell, and look at
// the rings without Pool.mu.
//
//	       ┌──────── nobody waits ────────┐
//	       ▼                              │
//	held = false ──Wait, dispatcher──▶ held = true ──handOverLocked──▶ a parked waiter leads
//
// Invariants, each under Pool.mu: there is at most one leader; while there is none, nobody
// is parked but long waits, and then the dispatcher is due; a parked waiter's task is
// unresolved, and resolving it or making it the leader takes it out of the list and puts
// exactly one token into its channel, which it takes in every case. The leader itself is
// told by a kick of what did not come through a ring: its own task was resolved by
// somebody else, its context has ended, there is a new lane, or somebody needs to lead at
// once.
//
// Code that is not this package's must not hold anybody up. The methods of a caller's
// context, which may be of any type, are called without the lock; marshalling methods
// and the hooks of segments and views run recovered, without the lock; and a panic that
// unwinds the leader hands over.

// A leader is what leading needs. Guarded by Pool.mu, but for kicks and what is the
// leader's alone.
type leader struct {
	doorbell  *ring.Doorbell // the supervisor's
	kicks     atomic.Uint32
	held      bool       // somebody leads
	draining  bool       // and is in drainUnlocking, past which it looks at its own task
	current   *waiter    // who leads; nil for the dispatcher
	parked    waiterList // in turn to lead
	longWaits waiterList // parked too, but not to lead
	pollDue   bool       // the dispatcher is to lead, for long waits
	drains    uint64

	// The leader's alone.
	record    []byte
	watched   []*worker
	seenKicks uint32
	readyFunc func() bool
	ctxDone   <-chan struct{} // of the context whose end is a kick
	ctxStop   func() bool
}

// kick makes the leader look at more than the rings.
func (l *leader) kick() {
	l.kicks.Add(1)
	l.doorbell.Notify()
}

// listOf is the list that w is in, or will be.
func (l *leader) listOf(w *waiter) *waiterList {
	if w.longWait {
		return &l.longWaits
	}
	return &l.parked
}

// unparkLocked gives a parked waiter its token.
func (l *leader) unparkLocked(w *waiter) {
	l.listOf(w).remove(w)
	w.token <- struct{}{}
}

// overLocked tells who waits, or will.
func (l *leader) overLocked(w *waiter) {
	w.over = true
	switch {
	case w.parked:
		l.unparkLocked(w)
	case l.current == w && !l.draining: // else it is the leader itself who comes here
		l.kick()
	}
}

// ready is what the leader looks at without the lock.
func (l *leader) ready() bool {
	if l.kicks.Load() != l.seenKicks {
		return true
	}
	for _, w := range l.watched {
		if w.lane.Ready() {
			return true
		}
	}
	return false
}

// unhook forgets the context whose end is a kick.
func (l *leader) unhook() {
	if l.ctxDone != nil {
		l.ctxStop()
		l.ctxDone, l.ctxStop = nil, nil
	}
}

// await returns with p.mu held and the future's task resolved and the caller's
// to free, or with an error and without p.mu.
func (p *Pool) await(ctx context.Context, id wire.TaskID) (*task, error) {
	done := ctx.Done()
	p.mu.Lock()
	t := p.findLocked(id)
	if t == nil || t.waiting {
		p.mu.Unlock()
		return nil, ErrWaited
	}
	t.waiting = true
	if !p.waitUnlocking(ctx, done, &t.waiter) {
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

// waitUnlocking waits until w is over, or ctx, whose Done is done, has ended. It reports
// whether w is over.
func (p *Pool) waitUnlocking(ctx context.Context, done <-chan struct{}, w *waiter) bool {
	for ended := false; !w.over && !ended; {
		if (p.leader.held || w.longWait) && !w.leads {
			ended = p.parkUnlocking(done, w)
		} else {
			p.leader.held, w.leads = true, false
			ended = p.leadUnlocking(ctx, done, w)
		}
	}
	if w.leads { // it was made the leader too late
		w.leads = false
		p.handOverLocked()
	}
	w.longWait, w.slept = false, time.Time{}
	return w.over
}

// parkUnlocking waits for a token, and reports whether done was closed instead.
func (p *Pool) parkUnlocking(done <-chan struct{}, w *waiter) (ended bool) {
	w.hadToWait = true
	p.leader.listOf(w).push(w)
	p.unlock()
	select {
	case <-w.token:
		p.mu.Lock()
		return false
	case <-done:
		p.mu.Lock()
	}
	if w.parked {
		p.leader.listOf(w).remove(w)
	} else {
		<-w.token
	}
	return true
}

// handOverLocked makes one that waits the leader, if there is one.
func (p *Pool) handOverLocked() {
	p.leader.current = nil
	w := p.leader.parked.first
	p.leader.held = w != nil
	if w != nil {
		w.leads = true
		p.leader.unparkLocked(w)
	} else if p.tasks.unresolved > 0 {
		p.wakeHelpersLocked()
	}
}

// preemptUnlocking makes the caller the leader; the one before leaves at once.
func (p *Pool) preemptUnlocking() {
	if !p.leader.held {
		p.leader.held = true
		return
	}
	w := &waiter{token: make(chan struct{}, 1), urgent: true}
	p.leader.parked.push(w)
	p.leader.kick()
	p.unlock()
	<-w.token
	p.mu.Lock()
}

// longestSleep bounds what a hostile worker can do to the supervisor's doorbell.
const longestSleep = time.Second

// leadUnlocking leads until w is over (with nil: until no task is unresolved, or somebody
// waits), ctx, whose Done is done, has ended, or somebody needs to lead at once, and hands
// over. It reports whether ctx has ended.
func (p *Pool) leadUnlocking(ctx context.Context, done <-chan struct{}, w *waiter) (ended bool) {
	l := &p.leader
	l.current = w
	handedOver := false
	defer func() {
		if !handedOver { // a panic, which is the caller's, unwinds the leader: others go on
			l.draining = false
			p.handOverLocked()
			p.unlock()
		}
	}()
	for {
		came := l.parked.first != nil
		p.drainUnlocking()
		over := w != nil && w.over
		ended = !over && hasEnded(done)
		if over || ended || l.parked.first != nil && (w == nil || l.parked.first.urgent) || w == nil && (came || p.tasks.unresolved == 0 || p.helpers.stopping) {
			handedOver = true
			p.handOverLocked()
			return ended
		}
		if w != nil {
			w.hadToWait = true
		}
		l.seenKicks, l.watched = l.kicks.Load(), p.sched.workers
		p.unlock()
		ready := l.doorbell.Look(l.readyFunc, longestSleep)
		p.mu.Lock()
		if ready || p.stealLocked() {
			continue
		}
		if w != nil && w.sleepsLong() {
			w.longWait, l.pollDue = true, true
			handedOver = true
			p.handOverLocked()
			return false
		}
		most := longestSleep
		if w != nil {
			most = longWaitAfter
		} else if p.unbegunLocked() {
			most = stuckAfter
		}
		p.unlocked(func() {
			p.hookEnd(ctx, done)
			l.doorbell.Sleep(l.readyFunc, most)
		})
	}
}

// hookEnd makes the end of ctx a kick. It stays until there is another context to
// wait under, so that a context that is used again costs nothing.
func (p *Pool) hookEnd(ctx context.Context, done <-chan struct{}) {
	if l := &p.leader; done != l.ctxDone {
		l.unhook()
		if done != nil {
			l.ctxDone, l.ctxStop = done, context.AfterFunc(ctx, p.contextEnded)
		}
	}
}

// contextEnded is a kick under the lock: not between the leader's look at its
// context and that at the kicks, and not when the doorbell is gone.
func (p *Pool) contextEnded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.helpers.stopping { // else all is resolved
		p.leader.kick()
	}
}

// drainUnlocking takes what the rings hold, and gives the workers more. The caller leads.
func (p *Pool) drainUnlocking() {
	p.leader.drains++
	p.leader.draining = true
	for _, w := range p.sched.workers {
		for l := w.lane; !l.Broken; {
			record, ok, err := l.Take(p.leader.record)
			if ok {
				err = w.answerUnlocking(record)
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

// A waiter is parked until it has a token: what it waits for is there, or it is to lead.
// Guarded by Pool.mu, but for the token.
type waiter struct {
	token      chan struct{} // capacity 1
	over       bool          // what it waits for is there
	hadToWait  bool          // it was not there at once
	parked     bool
	leads      bool      // the token made it the leader
	longWait   bool      // it has waited for long, and is not made the leader
	urgent     bool      // it wants to lead and nothing else
	slept      time.Time // its first sleep as the leader; zero before
	prev, next *waiter
}

// longWaitAfter is for how long a leader sleeps again and again before it leaves leading
// to the dispatcher. A round trip beside a long wait takes 13 times as long without:
// BenchmarkHot/op=roundtrip/workers=2/beside=wait.
const longWaitAfter = 20 * time.Millisecond

// sleepsLong reports whether w has waited for long. It is called before each sleep.
func (w *waiter) sleepsLong() bool {
	if w.slept.IsZero() {
		w.slept = time.Now()
	}
	return time.Since(w.slept) > longWaitAfter
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
