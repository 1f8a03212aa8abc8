package pool

import "time"

// Where many results are wanted and workers have enough to do, the poller takes a
// nap and then all that has come: it neither burns a core that they need, nor is
// it woken for each. Where a nap brings few, it takes none for a while.
const (
	napTime  = 50 * time.Microsecond
	napTasks = 4  // that each worker has at least, however little the last brought
	napGain  = 4  // results that a nap must bring
	napAgain = 16 // waits without one after a nap that did not
)

// flowingLocked reports whether to take a nap: whether each worker has more to do
// than all had done in the last one.
func (p *Pool) flowingLocked(w *waiter) bool {
	if p.leader.napping { // the last one is over
		p.leader.napping = false
		if p.leader.lastNapYield = p.leader.results; p.leader.lastNapYield < napGain {
			p.leader.napBackoff = napAgain
		}
	}
	if p.leader.napBackoff > 0 {
		p.leader.napBackoff--
		return false
	}
	for _, o := range p.sched.open {
		if o.lane.Tasks() < max(napTasks, p.leader.lastNapYield) && o.open() {
			w.short = true
			return false
		}
	}
	p.leader.napping, p.leader.results = true, 0
	return true
}
