package worker

import (
	"errors"
	"fmt"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/rangejob"
	"example.com/handoff/pool/internal/wire"
)

// share works on a range: on one block, or on those that it takes from the
// counter. The order of the steps is what a recovery counts on:
//
//	claim = choosing · block = next++ · claim = block · run it · put its part · …
//
// See internal/rangejob and its model_test.go.
func (s *server) share(r wire.RangeShare, args []byte) {
	s.lane.Flight.Task(wire.FlightRangeShare, r.Attempt, r.Func, r.ID.Index, r.ID.Epoch)
	step("share-begun")
	s.begin(r.ID, r.Attempt)
	defer s.finish(false)
	defer s.lane.Claim.Store(0)
	if s.sharers[r.Func] == nil {
		s.sharers[r.Func] = s.funcs[r.Func].RangeRunner(&s.task)
	}
	run, err := s.sharers[r.Func](args)
	if err == nil {
		if err = s.blocks(r, run); err != nil { // with its text alone: a block was begun
			err = blockError{err}
		}
	}
	s.outcome(err)
}

// A blockError is what a block has failed with, which is the range's whatever it wraps,
// but for [shm.ErrFull].
type blockError struct{ err error }

func (e blockError) Error() string        { return e.err.Error() }
func (e blockError) Is(target error) bool { return errors.Is(e.err, target) }

func (s *server) blocks(r wire.RangeShare, run Body) error {
	cut := rangejob.Cut(r.N, r.Grain, int(r.Workers))
	if r.Block == wire.PartOfBlock {
		if r.Lo < 0 || r.Lo >= r.Hi || r.Hi > r.N {
			return fmt.Errorf("%w: indices %d to %d of %d", wire.ErrMalformed, r.Lo, r.Hi, r.N)
		}
		return s.indices(r, run, wire.PartOfBlock, r.Lo, r.Hi)
	}
	if r.Block != wire.AnyBlock {
		if int64(r.Block) >= int64(cut.Count) {
			return fmt.Errorf("%w: block %d of %d", wire.ErrMalformed, r.Block, cut.Count)
		}
		return s.block(r, run, &cut, r.Block)
	}
	next, stop := lane.Counters(s.lane.Control, r.Job)
	mine := uint64(r.Job) << 32
	for last := int64(-1); stop.Load() == 0 && !s.ended.Load() && !s.draining.Load(); {
		s.lane.Claim.Store(mine | lane.ClaimChoosing)
		step("block-choosing")
		b := next.Add(1) - 1
		step("block-taken")
		if int64(b) >= int64(cut.Count) || int64(b) <= last { // at the end, or somebody has written to it
			return nil
		}
		last = int64(b)
		s.lane.Claim.Store(mine | lane.ClaimBlock + uint64(b))
		step("block-claimed")
		if err := s.block(r, run, &cut, b); err != nil {
			return err
		}
		if s.lane.Down.Ready() {
			return nil // others wait: the supervisor gives the rest of the share out again, behind them
		}
	}
	return nil
}

// block runs one and reports it.
func (s *server) block(r wire.RangeShare, run Body, cut *rangejob.Blocks, b uint32) error {
	lo, hi := cut.At(int(b))
	return s.indices(r, run, b, lo, hi)
}

// indices runs those from lo up to hi and reports them as block b.
func (s *server) indices(r wire.RangeShare, run Body, b uint32, lo, hi int) error {
	s.lo, s.hi = lo, hi
	s.lane.Flight.Task(wire.FlightBlock, 0, r.Func, b, 0)
	s.measure(r.ID)
	part, err := run(lo, hi, wire.AppendBlock(s.part[:0], r.ID, b))
	if err != nil {
		s.lo, s.hi = 0, 0
		return fmt.Errorf("[%d, %d): %w", lo, hi, err)
	}
	s.part, s.lo, s.hi = s.measured(part), 0, 0
	step("block-ran")
	s.put(s.part)
	if !s.lane.Up.Fits(s.lane.Up.MaxRecord()) { // half full: else nobody needs it before the share's end
		s.lane.Supervisor.Notify()
	}
	step("block-done")
	return nil
}
