package pool

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/rangejob"
	policy "example.com/handoff/pool/internal/task"
	"example.com/handoff/pool/internal/wire"
)

// A rangeJob is a range of indices under way. What is to be done of it is the machine's
// to say; this is what it takes to do it. Each worker has a share of it, a task that
// takes blocks from the counter until there are none.
type rangeJob struct {
	waiter
	machine     *rangejob.Job
	record      wire.RangeShare // what is the same in those of all shares
	taskNumber  uint64
	entry       *entry
	args        arguments
	large       []*largeResult           // of blocks
	joined      map[int]bool             // incarnations with a share that takes blocks from the counter
	quarantined map[int]*WorkerExitError // by index that was left out: the last death
	err         error
	abandoned   bool // nobody waits for it any more
}

// A rangeShare says of a task that it is a share of a range; such a task is in
// ranges.shares and not in the table. job is nil for all other tasks.
type rangeShare struct {
	job *rangeJob
	rangejob.Share
}

// movable reports whether any worker may have it.
func (s *rangeShare) movable() bool { return s.job == nil || s.Block != wire.AnyBlock }

// ranges are the ranges under way. Guarded by Pool.mu, but for counters.
type ranges struct {
	control            lane.Memory   // the doorbell, and the counters of ranges
	counters           chan struct{} // holds a token for each range under way
	running            []*rangeJob
	lastJob, lastShare uint32
	shares             map[uint32]*task // that are pending or in a lane, by the epoch of their id
}

// shareIndex is the index of the ids of shares, which are in no table of tasks.
const shareIndex = 1<<32 - 1

// runRange runs a job and returns the results of its blocks.
//
// Each is a []byte, or one of the *largeResults, which are the caller's to release.
func runRange[In any](ctx context.Context, p *Pool, e *entry, in *In, n int, opts *RangeOptions) ([]any, []*largeResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	var o RangeOptions
	if opts != nil {
		o = *opts
	}
	if o.Report != nil {
		*o.Report = RangeReport{}
	}
	j, err := p.newRange(e, n, &o)
	if err != nil {
		return nil, nil, fmt.Errorf("pool: range %s: %w", e.name, err)
	}
	if err := p.broken(); err != nil || n == 0 {
		return nil, nil, err
	}
	if err := encodeArguments(p, e, in, &j.args, nil); err != nil {
		release(j.args.pins)
		return nil, nil, fmt.Errorf("pool: range %s: %w", e.name, err)
	}
	j.record.Large = j.args.large
	if err := p.enterRange(ctx, j); err != nil {
		release(j.args.pins)
		return nil, nil, err
	}
	return p.awaitRange(ctx, j, o.Report)
}

// newRange is a range of which nothing has begun.
func (p *Pool) newRange(e *entry, n int, o *RangeOptions) (*rangeJob, error) {
	if n < 0 || o.Grain < 0 || o.Quarantine < 0 {
		return nil, fmt.Errorf("n is %d, RangeOptions.Grain %d and Quarantine %d, expected 0 or more", n, o.Grain, o.Quarantine)
	}
	fn, known := p.table.number(e)
	if !known {
		return nil, fmt.Errorf("it was registered after the pool was made: use a package-level variable")
	}
	p.mu.Lock()
	workers := p.slots.width.Target()
	p.mu.Unlock()
	return &rangeJob{
		waiter:      waiter{token: make(chan struct{}, 1)},
		entry:       e,
		record:      wire.RangeShare{Func: fn, Workers: uint32(workers), N: n, Grain: o.Grain},
		joined:      map[int]bool{},
		quarantined: map[int]*WorkerExitError{},
		machine: rangejob.New(rangejob.Config{
			Name: e.name, N: n, Grain: o.Grain, Workers: workers, Quarantine: o.Quarantine, Attempts: p.opts.Attempts, Results: !e.out.Empty(),
		}),
	}, nil
}

// enterRange waits for a counter and lets the workers begin.
func (p *Pool) enterRange(ctx context.Context, j *rangeJob) error {
	select { // the counters are so many
	case p.ranges.counters <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-p.ending.ended:
		return p.broken()
	}
	p.mu.Lock()
	defer p.unlock()
	if err := p.enterRangeLocked(j); err != nil {
		<-p.ranges.counters
		return err
	}
	p.stats.Memory.BytesByRef += j.args.refBytes
	p.stats.BytesByValue += j.args.valueBytes
	p.dispatchLocked()
	return nil
}

// enterRangeLocked gives the job a number whose counter is free.
func (p *Pool) enterRangeLocked(j *rangeJob) error {
	if err := p.endedLocked(); err != nil {
		return err
	}
	for used := true; used; {
		p.ranges.lastJob++
		used = slices.ContainsFunc(p.ranges.running, func(o *rangeJob) bool {
			return o.record.Job%lane.MaxRanges == p.ranges.lastJob%lane.MaxRanges
		})
	}
	j.record.Job = p.ranges.lastJob
	j.taskNumber = p.numberTaskLocked()
	next, stop := p.ranges.counterOf(j)
	next.Store(0)
	stop.Store(0)
	p.ranges.running = append(p.ranges.running, j)
	p.tasks.unresolved++
	p.wakeHelpersLocked()
	return nil
}

// counterOf is the counter of a job, and what says that no blocks are to be taken from it.
func (r *ranges) counterOf(j *rangeJob) (next, stop *atomic.Uint32) {
	return lane.Counters(r.control.Bytes, j.record.Job)
}

// awaitRange returns when the job is over, or ctx has ended.
func (p *Pool) awaitRange(ctx context.Context, j *rangeJob, report *RangeReport) (results []any, large []*largeResult, err error) {
	done := ctx.Done()
	p.mu.Lock()
	if !p.waitUnlocking(ctx, done, &j.waiter) {
		p.unlocked(func() { err = contextErr(ctx) })
		p.failRangeLocked(j, err)
	}
	over := j.over
	j.abandoned = !over
	if report != nil {
		*report = RangeReport{Blocks: j.machine.Blocks(), Split: j.machine.Splits()}
	}
	p.unlock()
	if over {
		release(j.args.pins)
		return j.machine.Results(), j.large, j.err
	}
	return nil, nil, err // blocks that still run may bring results
}

// joinRangesLocked gives a share of each job to each worker that has none yet.
func (p *Pool) joinRangesLocked() {
	if p.ending.cause != nil {
		return
	}
	for _, j := range p.ranges.running {
		if next, _ := p.ranges.counterOf(j); !j.machine.Open(next.Load()) {
			continue
		}
		for _, w := range p.sched.workers {
			if !w.open() || j.joined[w.number] {
				continue
			}
			t := p.newShareLocked(j, rangejob.Share{Block: wire.AnyBlock})
			if w.lane.Fits(t.recordBytes()) && p.sendLocked(w, t) {
				j.joined[w.number] = true
				j.machine.Joined()
				p.ranges.shares[t.id.Epoch] = t
			}
		}
	}
}

// newShareLocked is the task of a share.
func (p *Pool) newShareLocked(j *rangeJob, s rangejob.Share) *task {
	p.ranges.lastShare++
	return &task{
		id:    wire.TaskID{Index: shareIndex, Epoch: p.ranges.lastShare},
		entry: j.entry, fn: j.record.Func, tries: policy.Tries{Attempt: s.Deaths}, share: rangeShare{j, s},
	}
}

// shareRecord is the record of a share in a lane, for the attempt that comes.
func (t *task) shareRecord() wire.RangeShare {
	r, s := t.share.job.record, &t.share
	r.ID, r.Attempt = t.id, t.tries.Attempt+1
	r.Block, r.Lo, r.Hi = s.Block, s.Lo, s.Hi
	return r
}

// withdrawShareLocked ends a share that is in no lane any more and that nobody else is to
// do in its place.
func (p *Pool) withdrawShareLocked(t *task) {
	delete(p.ranges.shares, t.id.Epoch)
	t.share.job.machine.Withdrawn()
	p.settleRangeLocked(t.share.job)
}
