package pool

import (
	"context"
	"time"
)

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
	p.preemptUnlocking() // for good: the bell is about to go, and who waits still is told by who resolves
	p.leader.unhook()
	p.leader.current = nil
	p.unlock()
}
