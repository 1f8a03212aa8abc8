// Package task decides about tasks: whether one whose worker has died is tried again
// ([Tries]), and which wait in a lane that others could run ([Steal]). It has no lock, no
// lane and no clock: its owner says what happened, and does what it says. The table of
// tasks itself is the pool's, since each slot also holds what only the pool knows.
package task

import (
	"time"

	"example.com/handoff/pool/internal/life"
	"example.com/handoff/pool/internal/wire"
)

// MostHeadDeaths is how often a task that no worker has begun, as far as one can tell, may
// be next where one dies, or be moved from one that leaves it lying, without having lost
// an attempt.
const MostHeadDeaths = 8

// MostMemoryDeaths is how many deaths for want of memory a task may have while others
// run, beside its attempts: fewer run each time, until it is alone.
const MostMemoryDeaths = 16

// Tries is how often a task was tried, and what became of it.
type Tries struct {
	Attempt      int // from 1: started, or in a lane
	Deaths       int // under it
	MemoryDeaths int // of these, for want of memory while others ran
	HeadDeaths   int // workers that died, or left it lying, with it at the head of their lane, not begun
}

// Exhausted reports whether it may not be tried again after its worker has died, where
// that many attempts are allowed.
func (t *Tries) Exhausted(allowed int) bool {
	return t.Attempt-t.MemoryDeaths >= allowed || t.Attempt == wire.MaxAttempts
}

// Died counts a death, after which it is tried again, and returns how long it waits
// before that.
func (t *Tries) Died() time.Duration {
	t.Deaths++
	return life.Backoff(t.Deaths)
}

// DiedForMemory counts a death for want of memory while others ran as not the task's
// fault, as long as there were not too many of them.
func (t *Tries) DiedForMemory() {
	if t.MemoryDeaths < MostMemoryDeaths {
		t.MemoryDeaths++
	}
}

// DiedBefore counts the death of a worker that had it at the head of its lane, not begun.
// It reports whether that was once too often: then it counts as begun, since what says so
// may have been wiped by it.
func (t *Tries) DiedBefore() (begun bool) {
	t.HeadDeaths++
	return t.HeadDeaths > MostHeadDeaths
}

// Movable reports whether it may be taken from a worker that leaves it lying at the head
// of its lane.
func (t *Tries) Movable() bool { return t.HeadDeaths < MostHeadDeaths }
