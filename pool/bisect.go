package pool

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"

	"example.com/handoff/pool/internal/wire"
)

// A PoisonIndex is an index of a range that has killed two workers alone.
type PoisonIndex struct {
	Index int
	Death *WorkerExitError // the last
}

// A QuarantineError says which indices of a range were left out because they kill
// their workers ([RangeOptions].Quarantine). All others are done. Run the range over
// these alone when the function is mended. It unwraps to [ErrWorkerDied].
type QuarantineError struct {
	Func    string
	Indices []PoisonIndex // in order
}

func (e *QuarantineError) Error() string {
	first := e.Indices[0]
	return fmt.Sprintf("%s: left out because they kill their workers: %d of the indices, the first is %d: %v", e.Func, len(e.Indices), first.Index, first.Death)
}

func (e *QuarantineError) Unwrap() error { return ErrWorkerDied }

// A split is a block whose worker died, on its way to the index that did it, or a
// block that took longer than Options.TaskTimeout twice: each
// part is a task of its own, and one that dies is halved. An index that is alone is
// tried once more, because the death may have had another cause. So n indices of
// which one is to blame cost two attempts for each halving: about 2·log₂ n.
//
// Where somebody has written to the counter another worker may have the block too,
// whole. If that arrives before the last part, it is the block's result and the
// split is over: what its parts bring is dropped.
type split struct {
	left  int // parts that are not done
	parts []part
}

// A part is the indices from lo up to hi of a split block.
type part struct {
	lo, hi int
	deaths int
	done   bool
	result []byte
}

// splitLocked cuts a block whose worker died.
func (p *Pool) splitLocked(j *rangeJob, block uint32, death *WorkerExitError) {
	lo, hi := j.cut.At(int(block))
	s := &split{}
	j.splits[block] = s
	setBit(j.given, block)
	p.hooks.log(slog.LevelWarn, "block split", "func", j.entry.name, "lo", lo, "hi", hi, "error", death)
	p.halveLocked(j, s, block, part{lo: lo, hi: hi, deaths: 1}, death)
}

// endSplitLocked ends the split of a block that has arrived whole.
func (p *Pool) endSplitLocked(j *rangeJob, block uint32, s *split) {
	delete(j.splits, block)
	p.withdrawLocked(func(t *task) bool { return t.split == s }, nil)
	lo, hi := j.cut.At(int(block))
	j.poison = slices.DeleteFunc(j.poison, func(i PoisonIndex) bool { return lo <= i.Index && i.Index < hi })
}

// halveLocked gives out a part whose worker died, in halves, and leaves it out if
// it is one index that has killed two.
func (p *Pool) halveLocked(j *rangeJob, s *split, block uint32, of part, death *WorkerExitError) {
	switch size := of.hi - of.lo; {
	case j.quarantine == 0 && (size == 1 || death.Class != ExitDeadline): // it was split because it took too long
		if of.deaths >= p.opts.Attempts {
			p.failJobLocked(j, death)
			return
		}
		p.givePartLocked(j, s, block, of)
	case size > 1:
		mid := of.lo + size/2
		p.givePartLocked(j, s, block, part{lo: of.lo, hi: mid})
		p.givePartLocked(j, s, block, part{lo: mid, hi: of.hi})
	case of.deaths < 2:
		p.givePartLocked(j, s, block, of)
	case len(j.poison) >= j.quarantine:
		var left []int
		for _, i := range j.poison {
			left = append(left, i.Index)
		}
		p.failJobLocked(j, fmt.Errorf("%s: indices %v are left out already, as many as RangeOptions.Quarantine allows, and then: %w", j.entry.name, left, death))
	default:
		j.poison = append(j.poison, PoisonIndex{of.lo, death})
		p.stats.Quarantined++
		p.hooks.log(slog.LevelWarn, "index left out", "func", j.entry.name, "index", of.lo, "error", death)
		p.hooks.event(Event{Kind: EventQuarantine, Func: j.entry.name, Lo: of.lo, Death: death})
		p.partOverLocked(j, s, block)
	}
}

func (p *Pool) givePartLocked(j *rangeJob, s *split, block uint32, of part) {
	s.left++
	t := j.newTask(p, wire.PartOfBlock)
	t.split, t.part, t.parent = s, of, block
	t.tries.attempt, t.state = of.deaths, taskPending
	p.ranges.addLocked(t)
	p.tasks.pending.pushFront(t)
}

// partOverLocked ends the block when its last part is done or left out.
func (p *Pool) partOverLocked(j *rangeJob, s *split, block uint32) {
	if s.left > 0 {
		return
	}
	setBit(j.done, block)
	clearBit(j.given, block)
	slices.SortFunc(s.parts, func(a, b part) int { return cmp.Compare(a.lo, b.lo) })
	p.blockDoneLocked(j)
}

// splitPartLocked takes the result of a part.
func (w *worker) splitPartLocked(j *rangeJob, t *task, u wire.Usage, payload []byte) error {
	p := w.pool
	if t.part.done {
		return fmt.Errorf("it sent indices %d to %d of %s twice", t.part.lo, t.part.hi, j.entry.name)
	}
	t.part.done = true
	w.attemptLocked(t, wire.PartOfBlock, u, nil)
	if hasBit(j.done, t.parent) {
		p.stats.dropped++
		return nil
	}
	s := t.split
	if j.parts != nil {
		t.part.result = append([]byte(nil), payload...)
	}
	s.parts = append(s.parts, t.part)
	s.left--
	p.partOverLocked(j, s, t.parent)
	return nil
}

// splitMemberLocked ends a part whose worker has answered and has not failed.
func (p *Pool) splitMemberLocked(j *rangeJob, t *task, status wire.Status) error {
	switch {
	case t.part.done || j.err != nil || hasBit(j.done, t.parent):
	case status == wire.StatusOK:
		return fmt.Errorf("it said that indices %d to %d of %s were done, and sent no result", t.part.lo, t.part.hi, j.entry.name)
	default: // taken back
		t.split.left--
		p.givePartLocked(j, t.split, t.parent, t.part)
	}
	return nil
}

// abandonPartLocked is the end of a part whose worker is dead.
func (w *worker) abandonPartLocked(j *rangeJob, t *task, death *WorkerExitError) {
	p := w.pool
	if t.part.done {
		return
	}
	t.part.deaths++
	death.Func, death.Attempt, death.Lo, death.Hi = j.entry.name, t.part.deaths, t.part.lo, t.part.hi
	w.recordLostLocked(t, death)
	switch {
	case p.ending.cause != nil:
		p.failJobLocked(j, fmt.Errorf("%w while the task ran: %w", p.endedLocked(), death))
	case j.err == nil && !hasBit(j.done, t.parent):
		t.split.left--
		p.halveLocked(j, t.split, t.parent, t.part, death)
	}
}

// inOrder is the results of all blocks and parts, in the order of the indices.
func (j *rangeJob) inOrder() [][]byte {
	if j.parts == nil || len(j.splits) == 0 {
		return j.parts
	}
	var all [][]byte
	for b, result := range j.parts {
		s := j.splits[uint32(b)]
		if s == nil {
			all = append(all, result)
			continue
		}
		for _, part := range s.parts {
			all = append(all, part.result)
		}
	}
	return all
}
