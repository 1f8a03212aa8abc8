package rangejob

import (
	"cmp"
	"fmt"
	"slices"

	"example.com/handoff/pool/internal/wire"
)

// A split is a block whose worker died, on its way to the index that did it, or a
// block that took too long twice: each
// part is a share of its own, and one that dies is halved. An index that is alone is
// tried once more, because the death may have had another cause. So n indices of
// which one is to blame cost two attempts for each halving: about 2·log₂ n.
//
// Where somebody has written to the counter another worker may have the block too,
// whole. If that arrives before the last part, it is the block's result and the
// split is over: what its parts bring is dropped.
type split struct {
	left  int    // parts that are not done
	parts []part // that are
}

type part struct {
	lo     int
	result any
}

// split cuts a block whose worker died.
func (j *Job) split(block uint32, overran bool) {
	lo, hi := j.blocks.At(int(block))
	j.splits[block] = split{}
	j.given.set(block)
	j.do(Command{Kind: ReportSplit, Lo: lo, Hi: hi})
	j.halve(Share{Block: wire.PartOfBlock, Of: block, Lo: lo, Hi: hi, Deaths: 1}, overran)
}

// endSplit ends the split of a block, if there is one: it has come whole.
func (j *Job) endSplit(block uint32) {
	if _, isSplit := j.splits[block]; !isSplit {
		return
	}
	delete(j.splits, block)
	j.do(Command{Kind: WithdrawParts, Block: block})
	lo, hi := j.blocks.At(int(block))
	j.quarantined = slices.DeleteFunc(j.quarantined, func(i int) bool { return lo <= i && i < hi })
}

// halve gives out a part whose worker died, in halves, and leaves it out if it is one
// index that has killed two.
func (j *Job) halve(s Share, overran bool) {
	switch size := s.Hi - s.Lo; {
	case j.Quarantine == 0 && (size == 1 || !overran): // it was split because it took too long
		if s.Deaths >= j.Attempts {
			j.fail(FailDeath)
			return
		}
		j.givePart(s)
	case size > 1:
		lower, upper := s, s
		lower.Hi = s.Lo + size/2
		upper.Lo = lower.Hi
		lower.Deaths, upper.Deaths = 0, 0
		j.givePart(lower)
		j.givePart(upper)
	case s.Deaths < 2:
		j.givePart(s)
	case len(j.quarantined) >= j.Quarantine:
		j.fail(FailQuarantine)
	default:
		i, _ := slices.BinarySearch(j.quarantined, s.Lo)
		j.quarantined = slices.Insert(j.quarantined, i, s.Lo)
		j.do(Command{Kind: ReportQuarantine, Lo: s.Lo, Hi: s.Hi})
		j.endPart(s.Of)
	}
}

func (j *Job) givePart(s Share) {
	of := j.splits[s.Of]
	of.left++
	j.splits[s.Of] = of
	j.shares++
	j.do(Command{Kind: Give, Share: s})
}

// endPart ends the block when its last part is done or left out.
func (j *Job) endPart(block uint32) {
	if s := j.splits[block]; s.left == 0 {
		slices.SortFunc(s.parts, func(a, b part) int { return cmp.Compare(a.lo, b.lo) })
		j.finish(block)
	}
}

// partResult takes the result of a part.
func (j *Job) partResult(s *Share, result any) (Taken, error) {
	if s.Reported {
		return Repeated, fmt.Errorf("it sent indices %d to %d of %s twice", s.Lo, s.Hi, j.Name)
	}
	s.Reported = true
	if j.done.has(s.Of) {
		return Late, nil
	}
	of := j.splits[s.Of]
	of.parts = append(of.parts, part{s.Lo, result})
	of.left--
	j.splits[s.Of] = of
	j.endPart(s.Of)
	return Kept, nil
}

// partDied charges a part whose worker is dead, and gives it out again.
func (j *Job) partDied(s *Share, overran bool) (c Charge) {
	if s.Reported {
		return c
	}
	s.Deaths++
	if !j.failed && !j.done.has(s.Of) {
		of := j.splits[s.Of]
		of.left--
		j.splits[s.Of] = of
		j.halve(*s, overran)
	}
	return Charge{s.Lo, s.Hi, s.Deaths}
}
