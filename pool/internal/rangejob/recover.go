package rangejob

import "example.com/handoff/pool/internal/wire"

// losses count the deaths under a block.
type losses struct {
	deaths   int
	overruns int // of these, for a time limit, of more indices than one
}

// A Charge is the attempt that a death has ended.
type Charge struct {
	Lo, Hi  int // indices
	Attempt int // from 1; 0: it has ended none
}

// Died is that the worker that had a share is dead, and what it had reported was taken.
// claim is the block that it claims, which it had taken from the counter; wire.AnyBlock
// if there is none. overran says that it was killed because it took too long. What else it
// has taken from the counter is found by [Job.Recovered].
func (j *Job) Died(s *Share, claim uint32, overran bool) (c Charge) {
	j.shares--
	if s.Block == wire.PartOfBlock {
		return j.partDied(s, overran)
	}
	block := s.Block
	if block == wire.AnyBlock {
		block = claim
	}
	if int64(block) >= int64(j.blocks.Count) || j.done.has(block) {
		return c
	}
	c.Lo, c.Hi = j.blocks.At(int(block))
	overran = overran && c.Hi-c.Lo > 1 // else fewer indices are not done in time either
	lost := j.losses[block]
	lost.deaths++
	if overran {
		lost.overruns++
	}
	j.losses[block] = lost
	c.Attempt = lost.deaths
	if _, isSplit := j.splits[block]; !j.failed && !isSplit { // else its parts are given out
		j.tryAgain(block, overran)
	}
	return c
}

// tryAgain decides what becomes of a block whose worker died. One that has overrun for
// the first time is tried again whole, because the machine may have been busy, and a block
// is not cut without need: the result of a reduction depends on where it is.
func (j *Job) tryAgain(block uint32, overran bool) {
	switch lost := j.losses[block]; {
	case overran && lost.overruns > 1, j.Quarantine > 0 && !overran:
		j.split(block, overran)
	case !overran && lost.deaths-lost.overruns >= j.Attempts, lost.deaths >= wire.MaxAttempts:
		j.fail(FailDeath)
	default:
		j.give(block)
	}
}

// Recovered is that after a death the counter has come to next, and then all living
// workers were seen, and then what they and the dead had reported was taken: what they
// claimed then is in claims. The package comment says why in this order.
func (j *Job) Recovered(next uint32, claims []uint32) {
	if j.failed {
		return
	}
	claimed := newBits(j.blocks.Count)
	for _, b := range claims {
		if int64(b) < int64(j.blocks.Count) {
			claimed.set(b)
		}
	}
	for b := range uint32(min(int64(next), int64(j.blocks.Count))) {
		if !claimed.has(b) {
			j.giveNew(b)
		}
	}
}

// giveNew gives out a block that is not done and not given out.
func (j *Job) giveNew(block uint32) {
	if !j.done.has(block) && !j.given.has(block) {
		j.give(block)
	}
}

// distrust is that somebody else has written to the counter: what is left is given out
// block by block.
func (j *Job) distrust() {
	j.counterCorrupt = true
	j.do(Command{Kind: Stop})
}

// Idle reports whether nothing is given out and the job has not ended.
func (j *Job) Idle() bool { return j.shares == 0 && !j.ended }

// Settle is that the counter has come to next after everything that was told: the job ends
// when nothing is given out any more. Where blocks are left that no worker will take from
// the counter, somebody else has written to it, and they are given out.
func (j *Job) Settle(next uint32) {
	switch {
	case !j.Idle():
	case j.left == 0 || j.failed:
		j.ended = true
		j.do(Command{Kind: End})
	case j.counterCorrupt || int64(next) >= int64(j.blocks.Count):
		for b := range uint32(j.blocks.Count) {
			j.giveNew(b)
		}
	}
}
