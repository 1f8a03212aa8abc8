package worker

import (
	"errors"
	"fmt"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/rangejob"
	"example.com/handoff/pool/internal/wire"
)

// runShare works on a range: on one block, or on those that it takes from the
// counter. The order of the steps is what a recovery counts on:
//
//	claim = choosing · block = next++ · claim = block · run it · put its part · …
//
// See package rangejob and its model_test.go.
func (r *runner) runShare(s wire.RangeShare, args []byte) {
	r.lane.Flight.Task(wire.FlightRangeShare, s.Attempt, s.Func, s.ID.Index, s.ID.Epoch)
	step("share-begun")
	r.begin(s.ID, s.Attempt, 0)
	defer r.finish(false)
	defer r.lane.Claim.Store(0)
	body, err := r.rangeBody(s, args)
	if err == nil {
		if err = r.runBlocks(s, body); err != nil {
			err = blockError{err}
		}
	}
	r.setOutcome(err)
}

// A keptRange is the range that the worker had a share of last, whose arguments it has
// decoded. They have no arrays: it is private memory.
type keptRange struct {
	job  uint32
	body Body // nil: there is none
}

// rangeBody decodes the arguments of a share, unless they are those of the share before.
func (r *runner) rangeBody(s wire.RangeShare, args []byte) (body Body, err error) {
	if r.kept.body != nil && r.kept.job == s.Job {
		return r.kept.body, nil
	}
	r.kept = keptRange{}
	if s.Large {
		if args, err = r.call.bindLarge(args); err != nil {
			return nil, err
		}
	}
	f := &r.funcs[s.Func]
	if body, err = f.runRange(args); err == nil && f.keeps {
		r.kept = keptRange{s.Job, body}
	}
	return body, err
}

// dropRange forgets the kept arguments once their range is over, as its counter says, which
// another range may have by then: they stay until the worker is idle again.
func (r *runner) dropRange() {
	if r.kept.body != nil {
		if _, stop := lane.Counters(r.lane.Control, r.kept.job); stop.Load() != 0 {
			r.kept = keptRange{}
		}
	}
}

// A blockError is what a block has failed with: the range's own error whatever it wraps, a
// shortage too.
type blockError struct{ err error }

func (e blockError) Error() string        { return e.err.Error() }
func (e blockError) Is(target error) bool { return errors.Is(e.err, target) }

func (r *runner) runBlocks(s wire.RangeShare, body Body) error {
	blocks := rangejob.Cut(s.N, s.Grain, int(s.Workers))
	switch s.Block {
	case wire.AnyBlock:
		return r.takeBlocks(s, body, &blocks)
	case wire.PartOfBlock:
		if s.Lo < 0 || s.Lo >= s.Hi || s.Hi > s.N {
			return fmt.Errorf("%w: indices %d to %d of %d", wire.ErrMalformed, s.Lo, s.Hi, s.N)
		}
		return r.runBlock(s, body, wire.PartOfBlock, s.Lo, s.Hi)
	}
	if int64(s.Block) >= int64(blocks.Count) {
		return fmt.Errorf("%w: block %d of %d", wire.ErrMalformed, s.Block, blocks.Count)
	}
	lo, hi := blocks.At(int(s.Block))
	return r.runBlock(s, body, s.Block, lo, hi)
}

// takeBlocks runs blocks until there are none, or something else is to be done.
func (r *runner) takeBlocks(s wire.RangeShare, body Body, blocks *rangejob.Blocks) error {
	next, stop := lane.Counters(r.lane.Control, s.Job)
	job := uint64(s.Job) << 32
	for last := int64(-1); stop.Load() == 0 && !r.ended.Load() && !r.draining.Load(); {
		r.lane.Claim.Store(job | lane.ClaimChoosing)
		step("block-choosing")
		b := next.Add(1) - 1
		step("block-taken")
		if int64(b) >= int64(blocks.Count) || int64(b) <= last { // at the end, or somebody has written to it
			return nil
		}
		last = int64(b)
		r.lane.Claim.Store(job | lane.ClaimBlock + uint64(b))
		step("block-claimed")
		lo, hi := blocks.At(int(b))
		if err := r.runBlock(s, body, b, lo, hi); err != nil {
			return err
		}
		if r.lane.Down.Ready() {
			return nil // others wait: the supervisor gives the rest of the share out again, behind them
		}
	}
	return nil
}

// runBlock runs the indices from lo up to hi and reports them as a block.
func (r *runner) runBlock(s wire.RangeShare, body Body, block uint32, lo, hi int) error {
	r.lo, r.hi = lo, hi
	r.lane.Flight.Task(wire.FlightBlock, 0, s.Func, block, 0)
	r.meter.begin(s.ID, r.lane.Begun)
	part, err := body(lo, hi, wire.AppendBlock(r.part[:0], s.ID, block))
	if err != nil {
		r.lo, r.hi = 0, 0
		return fmt.Errorf("[%d, %d): %w", lo, hi, err)
	}
	if r.call.largeResult {
		r.call.largeResult = false
		wire.SetBlockLarge(part)
		r.results.finish(true)
	}
	r.part, r.lo, r.hi = r.meter.end(part), 0, 0
	step("block-ran")
	r.put(r.part)
	if !r.lane.Up.Fits(r.lane.Up.MaxRecord()) { // half full: else nobody needs it before the share's end
		r.lane.Supervisor.Notify()
	}
	step("block-done")
	return nil
}
