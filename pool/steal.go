package pool

import "time"

// stuckAfter is how long a worker may leave its only task lying: it is stopped,
// or has no processor.
const stuckAfter = 100 * time.Millisecond

// stealLocked moves tasks that wait behind a long one, or that a worker does not
// begin, to workers that have none. The caller knows that no result has come for as
// long as a wake takes.
func (p *Pool) stealLocked() (moved bool) {
	if p.tasks.pending.first != nil || p.ending.cause != nil {
		return false
	}
	var idle int
	var most *lane
	for _, w := range p.sched.open {
		l := w.lane
		same := l.head == l.base+1
		if !same {
			l.head, l.since = l.base+1, time.Time{}
		}
		switch {
		case !w.open():
		case l.length() == 0:
			idle++
		case l.tasks == 0: // stopped, perhaps
		case l.tasks == 1 && !(same && l.stuck()):
		case most == nil || l.tasks > most.tasks:
			most = l
		}
	}
	if idle == 0 || most == nil {
		return false
	}
	for i, n := len(most.sent)-1, max(most.tasks*idle/(idle+1), 1); i >= most.first && n > 0; i-- {
		t := most.sent[i].t
		if t == nil || !t.movable() || i == most.first && t.unlucky >= mostUnlucky || !most.takeBack(t) {
			continue
		}
		if i == most.first {
			t.unlucky++
		}
		p.requeueLocked(t)
		moved = true
		n--
	}
	p.dispatchLocked()
	return moved
}

// liesLocked reports whether a task was seen to lie unbegun in a lane: somebody is
// to look again.
func (p *Pool) liesLocked() bool {
	for _, w := range p.sched.open {
		if !w.lane.since.IsZero() && w.lane.length() > 0 {
			return true
		}
	}
	return false
}
