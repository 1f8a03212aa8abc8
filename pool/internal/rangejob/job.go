package rangejob

import (
	"fmt"

	"example.com/handoff/pool/internal/wire"
)

// A Config says what range a job is of, and what it may cost.
type Config struct {
	Name       string // of the function, for messages
	N          int    // indices
	Grain      int    // the fewest indices of a block
	Workers    int    // that it is cut for
	Quarantine int    // the most indices that may be left out
	Attempts   int    // of a block
	Results    bool   // blocks have results, which are kept
}

// A Job is a range under way. Its methods are events. After each of them [Job.Next] says
// what is to be done, until there is nothing, and then comes [Job.Settle] if the job is
// [Job.Idle].
type Job struct {
	Config
	blocks         Blocks
	shares         int // given out and not over
	done           bitSet
	left           int               // blocks that are not done
	given          bitSet            // blocks that a share of their own has, or the parts of a split
	losses         map[uint32]losses // by block
	splits         map[uint32]split  // by block
	results        []any             // by block; nil if there are none
	quarantined    []int             // indices that are left out
	shortages      int               // shares of workers that lacked resources
	emptyShares    int               // shares in a row that brought nothing
	counterCorrupt bool              // somebody else has written to the counter: it is not used any more
	failed, ended  bool
	commands       []Command
}

// A Share is what one worker has of a job: all the blocks that it takes from the counter,
// one block, or a part of one. Its owner keeps it and hands it back with each event.
type Share struct {
	Block    uint32 // a block, wire.AnyBlock or wire.PartOfBlock
	Of       uint32 // the block of a part
	Lo, Hi   int    // of a part: its indices
	Deaths   int    // of workers that had the same block or part before
	Reported bool   // the result of the part has come
}

// A Command is for the owner to carry out, which has the tasks and the workers.
type Command struct {
	Kind   Kind
	Share  Share  // of Give
	Block  uint32 // of WithdrawParts
	Lo, Hi int    // of Split and Quarantine: the indices
}

// A Kind tells commands apart.
type Kind uint8

const (
	Give             Kind = iota // Share to any worker, before everything else that waits
	Stop                         // no worker takes blocks from the counter any more
	Withdraw                     // all shares that no worker has begun; the others are cancelled if the job has failed
	WithdrawParts                // those of a block that no worker has begun
	FailDeath                    // the job has failed with the death that the event was
	FailQuarantine               // the same, because no more indices may be left out
	ReportSplit                  // a block goes on in parts
	ReportQuarantine             // an index was left out, because of the death that the event was
	End                          // nobody works on the job any more
)

// New is a job of which no share is given out.
func New(c Config) *Job {
	j := &Job{Config: c, blocks: Cut(c.N, c.Grain, c.Workers), losses: map[uint32]losses{}, splits: map[uint32]split{}}
	j.left = j.blocks.Count
	j.done, j.given = newBits(j.left), newBits(j.left)
	if c.Results {
		j.results = make([]any, j.left)
	}
	return j
}

// Next is the next thing to do, in order; ok is false if there is nothing.
func (j *Job) Next() (c Command, ok bool) {
	if len(j.commands) == 0 {
		return c, false
	}
	c = j.commands[0]
	j.commands = j.commands[1:]
	return c, true
}

func (j *Job) do(c Command) { j.commands = append(j.commands, c) }

// Open reports whether one more worker is to take blocks from the counter, which has
// come to next.
func (j *Job) Open(next uint32) bool {
	return j.left > 0 && !j.failed && !j.counterCorrupt && int64(next) < int64(j.blocks.Count)
}

// Joined counts a share that was given to a worker to take blocks from the counter.
func (j *Job) Joined() { j.shares++ }

// Withdrawn counts off a share that was taken back and is given to nobody else.
func (j *Job) Withdrawn() { j.shares-- }

// give gives out a block as a share of its own.
func (j *Job) give(block uint32) {
	j.given.set(block)
	j.shares++
	j.do(Command{Kind: Give, Share: Share{Block: block, Deaths: j.losses[block].deaths}})
}

// Taken says what became of a result.
type Taken uint8

const (
	Kept     Taken = iota
	Late           // of a part whose block has come whole: it is dropped
	Repeated       // of a block that was there before: it is dropped
)

// Result is that a block, or the part that the share is of (wire.PartOfBlock), is done.
// What a result is, and what becomes of one that is not kept, or that another replaces, is
// the owner's affair. The error is what the worker did wrong.
func (j *Job) Result(s *Share, block uint32, result any) (Taken, error) {
	if s.Block == wire.PartOfBlock && block == wire.PartOfBlock {
		return j.partResult(s, result)
	}
	if int64(block) >= int64(j.blocks.Count) || s.Block != wire.AnyBlock && s.Block != block {
		return Repeated, fmt.Errorf("it sent block %d of %s, which it was not given", block, j.Name)
	}
	if j.done.has(block) {
		j.distrust()
		return Repeated, nil
	}
	j.emptyShares = 0
	j.endSplit(block)
	if j.results != nil {
		j.results[block] = result
	}
	j.finish(block)
	return Kept, nil
}

// finish marks a block as done, of which all indices are done or left out.
func (j *Job) finish(block uint32) {
	j.done.set(block)
	if j.left--; j.left == 0 {
		j.stop()
	}
}

// stop ends what is still given out.
func (j *Job) stop() {
	j.do(Command{Kind: Stop})
	j.do(Command{Kind: Withdraw})
}

// Unreported is what a worker did wrong that says that a share is finished: nil if it has
// reported all.
func (j *Job) Unreported(s *Share) error {
	switch {
	case j.failed || s.Block == wire.AnyBlock:
	case s.Block == wire.PartOfBlock:
		if !s.Reported && !j.done.has(s.Of) {
			return fmt.Errorf("it said that indices %d to %d of %s were done, and sent no result", s.Lo, s.Hi, j.Name)
		}
	case !j.done.has(s.Block):
		return fmt.Errorf("it said that block %d of %s was done, and sent no result", s.Block, j.Name)
	}
	return nil
}

// maxEmptyShares is how many shares more than there are workers may bring nothing, one
// after the other: a share ends where others have taken the last blocks meanwhile.
const maxEmptyShares = 8

// Finished takes the end of a share that a worker has ended in order; workers is how many
// there are.
func (j *Job) Finished(s *Share, workers int) {
	j.shares--
	if s.Block == wire.AnyBlock {
		if j.emptyShares++; j.emptyShares > workers+maxEmptyShares {
			j.distrust()
		}
	}
}

// Revoked is that a worker has not begun a share: another has to do it. What takes blocks
// from the counter is given to nobody in its place.
func (j *Job) Revoked(s *Share) {
	j.shares--
	switch {
	case j.failed || s.Block == wire.AnyBlock:
	case s.Block == wire.PartOfBlock:
		if !s.Reported && !j.done.has(s.Of) {
			j.shares++
			j.do(Command{Kind: Give, Share: *s})
		}
	case !j.done.has(s.Block):
		j.give(s.Block)
	}
}

// maxShortages bounds the workers that may lack resources, for each attempt of a block.
const maxShortages = 8

// Short is that a worker lacks resources, and has begun nothing of its share. It reports
// whether there were too many such workers.
func (j *Job) Short() bool {
	j.shortages++
	return j.shortages > maxShortages*j.Attempts
}

// Errored counts off a share in which the function has failed; the owner then calls Fail.
func (j *Job) Errored() { j.shares-- }

// Fail ends the job early. It reports whether it had neither ended nor failed before.
func (j *Job) Fail() bool {
	if j.ended || j.failed {
		return false
	}
	j.failed = true
	j.stop()
	return true
}

// fail ends the job early for a reason found here.
func (j *Job) fail(reason Kind) {
	j.do(Command{Kind: reason})
	j.Fail()
}

// Blocks counts those that the range is cut into.
func (j *Job) Blocks() int { return j.blocks.Count }

// Splits counts the blocks that were done in parts.
func (j *Job) Splits() int { return len(j.splits) }

// Quarantined are the indices that are left out. They are in order once the job has ended.
func (j *Job) Quarantined() []int { return j.quarantined }

// At are the indices of a block that a share reports, from lo up to hi: 0 and 0 for
// wire.AnyBlock.
func (j *Job) At(s *Share, block uint32) (lo, hi int) {
	switch block {
	case wire.AnyBlock:
		return 0, 0
	case wire.PartOfBlock:
		return s.Lo, s.Hi
	}
	return j.blocks.At(int(block))
}

// Results are those of all blocks and parts, in the order of the indices.
func (j *Job) Results() []any {
	if j.results == nil || len(j.splits) == 0 {
		return j.results
	}
	var all []any
	for b, result := range j.results {
		s, isSplit := j.splits[uint32(b)]
		if !isSplit {
			all = append(all, result)
			continue
		}
		for _, part := range s.parts {
			all = append(all, part.result)
		}
	}
	return all
}

// A bitSet is a set of numbers.
type bitSet []uint64

func newBits(n int) bitSet         { return make(bitSet, (n+63)/64) }
func (b bitSet) has(i uint32) bool { return b[i/64]&(1<<(i%64)) != 0 }
func (b bitSet) set(i uint32)      { b[i/64] |= 1 << (i % 64) }
