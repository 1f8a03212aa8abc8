package pool

import (
	"time"

	"example.com/handoff/pool/internal/lane"
)

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
	var most *lane.Lane
	for _, w := range p.sched.open {
		l := w.lane
		same := l.Look()
		switch {
		case !w.open():
		case l.Len() == 0:
			idle++
		case l.Tasks() == 0: // stopped, perhaps
		case l.Tasks() == 1 && !(same && l.Stuck(stuckAfter)):
		case most == nil || l.Tasks() > most.Tasks():
			most = l
		}
	}
	if idle == 0 || most == nil {
		return false
	}
	for i, n := most.Len()-1, max(most.Tasks()*idle/(idle+1), 1); i >= 0 && n > 0; i-- {
		s := most.At(i)
		if !s.Live {
			continue
		}
		t := p.taskOf(s.ID)
		if !t.movable() || i == 0 && t.unlucky >= mostUnlucky || !most.TakeBack(t.at) {
			continue
		}
		if i == 0 {
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
		if w.lane.Lies() {
			return true
		}
	}
	return false
}
