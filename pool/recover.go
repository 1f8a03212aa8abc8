package pool

import (
	"fmt"
	"time"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/wire"
)

// maxBarren is how many shares more than there are workers may bring nothing:
// one ends where others have taken the last blocks meanwhile.
const maxBarren = 8

// distrustLocked ends all shares of a job whose counter somebody has written to;
// what is left is given out block by block.
func (p *Pool) distrustLocked(j *rangeJob) {
	j.odd = true
	_, stop := lane.Counters(p.ranges.control.Bytes, j.number)
	stop.Store(1)
}

// completeLocked gives out what nobody has taken, where all shares have ended and
// blocks are left: somebody else has written to the counter.
func (p *Pool) completeLocked(j *rangeJob) {
	for b := range uint32(j.cut.Count) {
		if !hasBit(j.done, b) && !hasBit(j.given, b) {
			p.giveLocked(j, b)
		}
	}
}

// giveLocked makes a block a task of its own, for any worker.
func (p *Pool) giveLocked(j *rangeJob, block uint32) {
	t := j.newTask(p, block)
	t.tries.attempt, t.state = j.losses[block].deaths, taskPending
	setBit(j.given, block)
	p.ranges.addLocked(t)
	p.tasks.pending.pushFront(t)
}

// choosingTime bounds the wait for a worker that was stopped between two steps.
const choosingTime = time.Second

// abandonLocked is the end of a share whose worker is dead, and its rings are
// drained. The caller leads.
func (p *Pool) abandonLocked(w *worker, t *task, death *WorkerExitError) {
	j := t.job
	p.ranges.removeLocked(t)
	if t.block == wire.PartOfBlock {
		w.abandonPartLocked(j, t, death)
		p.settleLocked(j)
		return
	}
	block, claimed := t.block, t.block != wire.AnyBlock
	if !claimed {
		claim := w.lane.Claim()
		if uint32(claim>>32) == j.number && uint32(claim) >= lane.ClaimBlock {
			block, claimed = uint32(claim)-lane.ClaimBlock, true
		}
	}
	if claimed = claimed && int64(block) < int64(j.cut.Count) && !hasBit(j.done, block); claimed {
		w.chargeLocked(t, block, death)
	}
	switch {
	case p.ending.cause != nil:
		p.failJobLocked(j, fmt.Errorf("%w while the task ran: %w", p.endedLocked(), death))
	case claimed && j.err == nil && j.splits[block] == nil: // else its parts are under way
		p.tryBlockAgainLocked(j, block, death)
	}
	if j.err == nil && t.block == wire.AnyBlock {
		p.recoverLocked(j)
	}
	p.settleLocked(j)
}

// losses are what deaths have cost a block.
type losses struct {
	deaths   int
	overruns int // of these, for Options.TaskTimeout, of more indices than one
}

// chargeLocked counts the death that has interrupted a block.
func (w *worker) chargeLocked(t *task, block uint32, death *WorkerExitError) {
	j := t.job
	death.Func = j.entry.name
	death.Lo, death.Hi = j.cut.At(int(block))
	lost := j.losses[block]
	lost.deaths++
	if death.tooLong() {
		lost.overruns++
	}
	j.losses[block] = lost
	death.Attempt = lost.deaths
	w.recordLostLocked(t, death)
}

// tooLong reports whether fewer indices may be done in time.
func (e *WorkerExitError) tooLong() bool { return e.Class == ExitDeadline && e.Hi-e.Lo > 1 }

// tryBlockAgainLocked decides what becomes of a block whose worker died. One that
// has overrun for the first time is tried again whole, because the machine may have
// been busy: the result of a reduction depends on where it is cut.
func (p *Pool) tryBlockAgainLocked(j *rangeJob, block uint32, death *WorkerExitError) {
	switch lost := j.losses[block]; {
	case death.tooLong() && lost.overruns > 1, j.quarantine > 0 && !death.tooLong():
		p.splitLocked(j, block, death)
	case !death.tooLong() && lost.deaths-lost.overruns >= p.opts.Attempts, lost.deaths >= wire.MaxAttempts:
		p.failJobLocked(j, death)
	default:
		p.giveLocked(j, block)
	}
}

// recoverLocked finds the blocks that a dead worker has left.
func (p *Pool) recoverLocked(j *rangeJob) {
	counter, _ := lane.Counters(p.ranges.control.Bytes, j.number)
	next := min(int64(counter.Load()), int64(j.cut.Count))
	claims := newBits(j.cut.Count)
	until := time.Now().Add(choosingTime)
	for _, w := range p.sched.open {
		l := w.lane
		for looks := 0; ; looks++ {
			claim := l.Claim()
			if uint32(claim>>32) != j.number || uint32(claim) != lane.ClaimChoosing {
				if b := uint32(claim) - lane.ClaimBlock; uint32(claim>>32) == j.number && uint32(claim) >= lane.ClaimBlock && int64(b) < int64(j.cut.Count) {
					setBit(claims, b)
				}
				break
			}
			if time.Now().After(until) {
				w.failLocked(fmt.Errorf("it took no block of %s for %v", j.entry.name, choosingTime))
			}
			select {
			case <-w.proc.Dead():
				return // its own recovery, which comes next, finds all
			default:
			}
			p.unlock()
			time.Sleep(min(time.Duration(looks), 100) * 10 * time.Microsecond)
			p.mu.Lock()
		}
	}
	p.drainUnlocking()
	for b := range uint32(next) {
		if j.err == nil && !hasBit(j.done, b) && !hasBit(claims, b) && !hasBit(j.given, b) {
			p.giveLocked(j, b)
		}
	}
}
