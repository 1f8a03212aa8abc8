package pool

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/rangejob"
	"example.com/handoff/pool/internal/wire"
)

// blockLocked takes the result of a block, or of a part of one. The error is what the
// worker did wrong.
func (w *worker) blockLocked(t *task, block uint32, u wire.Usage, payload []byte, isLarge bool) error {
	p, j := w.pool, t.share.job
	var part any
	bytes := int64(len(payload))
	if isLarge {
		l, err := w.results.bindLarge(&p.large, payload)
		if err != nil {
			return fmt.Errorf("its result of %s: %w", j.entry.name, err)
		}
		j.large = append(j.large, l)
		part, bytes = l, l.bytes
	} else if !j.entry.out.Empty() {
		part = slices.Clone(payload)
	}
	taken, err := j.machine.Result(&t.share.Share, block, part)
	if err != nil {
		return err
	}
	p.stats.BytesByValue += bytes
	if taken != rangejob.Kept {
		p.stats.dropped++
	}
	if taken != rangejob.Repeated {
		w.attemptLocked(t, block, u, nil)
	}
	w.pool.settleRangeLocked(j)
	return nil
}

// shareEndedLocked ends a share whose worker has answered. The error is what it did wrong:
// then the share is not over, and is lost with the worker.
func (w *worker) shareEndedLocked(t *task, status wire.Status, u wire.Usage, payload []byte, frees uint16) error {
	p, j, s := w.pool, t.share.job, &t.share.Share
	if status == wire.StatusOK {
		if err := j.machine.Unreported(s); err != nil {
			return err
		}
	}
	w.lane.Pop()
	if w.results.memoryWanted.Load() {
		w.results.satisfied(frees)
	}
	w.recycleLocked()
	delete(p.ranges.shares, t.id.Epoch)
	switch status {
	case wire.StatusOK:
		if s.Block == wire.AnyBlock {
			delete(j.joined, w.number) // it made way for other tasks, and may be given a share again
		}
		j.machine.Finished(s, len(p.sched.workers))
	case wire.StatusResources: // it has begun no block
		err := taskError(j.entry.name, status, payload)
		w.retireLocked("it lacks resources: " + err.Text)
		if j.machine.Short() {
			p.failRangeLocked(j, err)
		}
		j.machine.Revoked(s)
	case wire.StatusRevoked:
		j.machine.Revoked(s)
	default:
		err := error(taskError(j.entry.name, status, payload))
		if j.err != nil {
			err = fmt.Errorf("%w, for the range had ended: %w", ErrCancelled, err)
		}
		w.attemptLocked(t, s.Block, u, err)
		j.machine.Errored()
		p.failRangeLocked(j, err)
	}
	p.settleRangeLocked(j)
	return nil
}

// shareDiedUnlocking ends a share whose worker is dead, and its rings are drained. The
// caller leads the waiters. It lets go of Pool.mu meanwhile.
func (p *Pool) shareDiedUnlocking(w *worker, t *task, death *WorkerExitError) {
	j := t.share.job
	delete(p.ranges.shares, t.id.Epoch)
	claim, claimed := claimOf(w.lane.Claim(), j)
	if !claimed {
		claim = wire.AnyBlock
	}
	c := j.machine.Died(&t.share.Share, claim, death.Class == ExitDeadline)
	if c.Attempt > 0 {
		death.Func, death.Attempt, death.Lo, death.Hi = j.entry.name, c.Attempt, c.Lo, c.Hi
		w.recordLostLocked(t, death)
	}
	p.carryOutLocked(j, death)
	if j.err == nil && t.share.Block == wire.AnyBlock {
		p.recoverUnlocking(j)
	}
	p.settleRangeLocked(j)
}

// claimOf is the block of a job that a claim is on, if it is.
func claimOf(claim uint64, j *rangeJob) (block uint32, claimed bool) {
	job, what := lane.SplitClaim(claim)
	return what - lane.ClaimBlock, job == j.record.Job && what >= lane.ClaimBlock
}

// choosingTime bounds the wait for a worker that was stopped between two steps.
const choosingTime = time.Second

// recoverUnlocking finds the blocks that a dead worker has left: see internal/rangejob. It
// lets go of Pool.mu meanwhile.
func (p *Pool) recoverUnlocking(j *rangeJob) {
	counter, _ := p.ranges.counterOf(j)
	next := counter.Load()
	var claims []uint32
	until := time.Now().Add(choosingTime)
	for _, w := range p.sched.workers {
		l := w.lane
		for looks := 0; ; looks++ {
			claim := l.Claim()
			if job, what := lane.SplitClaim(claim); job != j.record.Job || what != lane.ClaimChoosing {
				if block, claimed := claimOf(claim, j); claimed {
					claims = append(claims, block)
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
	j.machine.Recovered(next, claims)
	p.carryOutLocked(j, nil)
}

// failRangeLocked ends the job early, for the first reason.
func (p *Pool) failRangeLocked(j *rangeJob, err error) {
	if j.machine.Fail() {
		j.err = err
		p.settleRangeLocked(j)
	}
}

// settleRangeLocked does what is to be done after an event.
func (p *Pool) settleRangeLocked(j *rangeJob) {
	p.carryOutLocked(j, nil)
	if j.machine.Idle() { // else the counter need not be read
		next, _ := p.ranges.counterOf(j)
		j.machine.Settle(next.Load())
		p.carryOutLocked(j, nil)
	}
}

// carryOutLocked does what the machine says. death is the event, or nil.
func (p *Pool) carryOutLocked(j *rangeJob, death *WorkerExitError) {
	for c, more := j.machine.Next(); more; c, more = j.machine.Next() {
		switch c.Kind {
		case rangejob.Give:
			t := p.newShareLocked(j, c.Share)
			t.state = taskPending
			p.ranges.shares[t.id.Epoch] = t
			p.tasks.pending.pushFront(t)
		case rangejob.Stop:
			_, stop := p.ranges.counterOf(j)
			stop.Store(1)
		case rangejob.Withdraw:
			p.withdrawLocked(j, func(*task) bool { return true }, j.err != nil)
		case rangejob.WithdrawParts:
			p.withdrawLocked(j, func(t *task) bool { return t.share.Block == wire.PartOfBlock && t.share.Of == c.Block }, false)
		case rangejob.FailDeath:
			j.err = death
		case rangejob.FailQuarantine:
			j.err = fmt.Errorf("%s: indices %v are left out already, as many as RangeOptions.Quarantine allows, and then: %w", j.entry.name, j.machine.Quarantined(), death)
		case rangejob.ReportSplit:
			p.hooks.log(slog.LevelWarn, "block split", "func", j.entry.name, "lo", c.Lo, "hi", c.Hi, "error", death)
		case rangejob.ReportQuarantine:
			j.quarantined[c.Lo] = death
			p.stats.Quarantined++
			p.hooks.log(slog.LevelWarn, "index left out", "func", j.entry.name, "index", c.Lo, "error", death)
			p.hooks.event(Event{Kind: EventQuarantine, Func: j.entry.name, Lo: c.Lo, Death: death})
		case rangejob.End:
			p.endRangeLocked(j)
		}
	}
}

// withdrawLocked takes those shares of a job back that wait, here or in a lane. cancel
// says that the others are cancelled.
func (p *Pool) withdrawLocked(j *rangeJob, of func(*task) bool, cancel bool) {
	for _, t := range p.ranges.shares {
		switch {
		case t.share.job != j || !of(t):
			continue
		case t.state == taskPending:
			p.tasks.pending.remove(t)
		case !t.place.worker.lane.Revoke(t.place.at):
			if cancel {
				t.place.worker.link.Send(wire.AppendCancel(nil, t.id), -1)
			}
			continue
		}
		delete(p.ranges.shares, t.id.Epoch)
		j.machine.Withdrawn()
	}
}

// endRangeLocked ends a job on which nobody works any more.
func (p *Pool) endRangeLocked(j *rangeJob) {
	p.ranges.running = slices.DeleteFunc(slices.Clone(p.ranges.running), func(o *rangeJob) bool { return o == j })
	if left := j.machine.Quarantined(); j.err == nil && len(left) > 0 {
		e := &QuarantineError{Func: j.entry.name}
		for _, i := range left {
			e.Indices = append(e.Indices, PoisonIndex{i, j.quarantined[i]})
		}
		j.err = e
	}
	p.tasks.unresolved--
	<-p.ranges.counters
	if j.abandoned {
		p.releases.pins = append(p.releases.pins, j.args.pins...)
		p.releases.large = append(p.releases.large, j.large...)
	}
	p.leader.overLocked(&j.waiter)
}
