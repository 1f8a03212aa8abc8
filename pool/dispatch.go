package pool

import (
	"context"
	"time"
)

// The dispatcher polls where nobody waits, or only the patient: so that arguments
// are released and workers get more. It looks once a tick, and rests while there
// are no tasks or somebody polls who sleeps.
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
		if p.stopping {
			p.mu.Unlock()
			return
		}
		if p.unresolved > 0 {
			idle = 0
			if !p.polling && (p.polls == polls || p.due) {
				p.polling, p.due = true, false
				p.pollLocked(context.Background(), nil, nil)
			}
		} else {
			idle++
		}
		rest := idle > restAfter || p.polling && p.polls == polls
		polls = p.polls
		p.resting = rest
		p.unlock()
		if rest {
			<-p.work
			idle = 0
			continue
		}
		timer.Reset(dispatchTick)
		<-timer.C
	}
}

// workLocked wakes the dispatcher where it is needed.
func (p *Pool) workLocked() {
	if p.watchRests {
		p.wakeWatchLocked()
	}
	if p.resting && !p.polling {
		p.wakeLocked()
	}
}

func (p *Pool) wakeWatchLocked() {
	p.watchRests = false
	select {
	case p.watchWork <- struct{}{}:
	default:
	}
}

func (p *Pool) wakeLocked() {
	if p.resting {
		p.resting = false
		p.work <- struct{}{}
	}
}

// stopDispatch ends the dispatcher, and the poller's role. There are no workers any more.
func (p *Pool) stopDispatch() {
	p.mu.Lock()
	p.stopping = true
	p.wakeLocked()
	p.wakeWatchLocked()
	p.kick()
	p.unlock()
	p.polled.Wait()
	p.mu.Lock()
	p.acquireLocked() // for good: the bell is about to go, and who waits still is told by who resolves
	p.unhook()
	p.waited = nil
	p.unlock()
}
