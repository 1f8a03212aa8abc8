package pool

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"example.com/handoff/pool/internal/codec"
	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/rangejob"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A rangeJob is a range of indices under way, cut into blocks. Each worker has a
// share of it, a task that takes blocks from the counter until there are none.
//
// When a worker dies in its share, the blocks that it has taken and not done go
// to others. They are found like this, by the goroutine that leads the
// waiters, after the death is certain, in this order:
//
//  1. read next;
//  2. look at each worker that lives and has begun its share, until it is seen
//     not choosing: what it claims then is its own, and what it takes later is
//     not below what was read;
//  3. take what is in all rings;
//  4. the blocks below next that are not done, not claimed by the living and not
//     given out by a recovery before are nobody's: each becomes a task.
//
// A block that the dead worker had claimed has lost an attempt. The model in
// internal/rangejob/model_test.go goes through all orders of the steps of workers, deaths and
// recoveries, and shows that each step here is needed; range_walk_test.go takes the
// code itself through all orders of what is reported, of deaths, overruns and stores
// to the counter.
type rangeJob struct {
	waiter
	number  uint32
	seq     uint64 // in the log of attempts
	entry   *entry
	fn      uint16
	args    []byte // encoded
	segs    []*announced
	pins    []shm.Pin
	n       int
	grain   int
	workers int // it is cut for
	cut     rangejob.Blocks

	quarantine int               // the most indices that may be left out
	poison     []PoisonIndex     // those that are
	splits     map[uint32]*split // blocks that are done in parts, by number

	joined  map[*lane.Lane]bool
	members int // shares that are not answered
	done    []uint64
	left    int // blocks that are not done
	given   []uint64
	losses  map[uint32]losses // of blocks
	parts   [][]byte          // of a reduction
	err     error
	short   int  // shares of workers that lacked resources
	barren  int  // shares in a row that brought nothing though there are blocks
	odd     bool // somebody has written to the counter: no more shares
	alone   bool // nobody waits for it any more
}

// ranges are the ranges under way. Guarded by Pool.mu, but for counters.
type ranges struct {
	control            lane.Memory   // the bell, and the counters of ranges
	counters           chan struct{} // holds a token for each range under way
	running            []*rangeJob
	lastJob, lastShare uint32
	shares             map[uint32]*task // that are pending or in a lane, by the epoch of their id
}

// shareIndex is the index of the ids of shares, which are in no table of tasks.
const shareIndex = 1<<32 - 1

func (r *ranges) addLocked(t *task) {
	t.job.members++
	r.shares[t.id.Epoch] = t
}

func (r *ranges) removeLocked(t *task) {
	t.job.members--
	delete(r.shares, t.id.Epoch)
}

// taskOf is the task of the table, or the share of a range, that is in a lane under an id.
func (p *Pool) taskOf(id wire.TaskID) *task {
	if id.Index == shareIndex {
		return p.ranges.shares[id.Epoch]
	}
	return p.tasks.all[id.Index]
}

// runningLocked is the task that w has begun, as far as one can tell from outside; nil
// if there is none.
func (w *worker) runningLocked() *task {
	if id, ok := w.lane.Running(); ok {
		return w.pool.taskOf(id)
	}
	return nil
}

// waitingLocked are the tasks in w's lane, the youngest first. Each may be taken back
// meanwhile.
func (w *worker) waitingLocked() iter.Seq[*task] {
	return func(yield func(*task) bool) {
		for i := w.lane.Len() - 1; i >= 0; i-- {
			if s := w.lane.At(i); s.Live && !yield(w.pool.taskOf(s.ID)) {
				return
			}
		}
	}
}

// runRange runs a job and returns its parts.
func runRange[In any](ctx context.Context, p *Pool, e *entry, in *In, n int, opts *RangeOptions) ([][]byte, error) {
	fail := func(err error) ([][]byte, error) { return nil, fmt.Errorf("pool: range %s: %w", e.name, err) }
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var o RangeOptions
	if opts != nil {
		o = *opts
	}
	if o.Report != nil {
		*o.Report = RangeReport{}
	}
	if n < 0 || o.Grain < 0 || o.Quarantine < 0 {
		return fail(fmt.Errorf("n is %d, RangeOptions.Grain %d and Quarantine %d, expected 0 or more", n, o.Grain, o.Quarantine))
	}
	fn, known := p.table.number(e)
	if !known {
		return fail(fmt.Errorf("it was registered after the pool was made: use a package-level variable"))
	}
	if err := p.broken(); err != nil || n == 0 {
		return nil, err
	}
	j := &rangeJob{entry: e, fn: fn, n: n, grain: o.Grain, joined: map[*lane.Lane]bool{}, losses: map[uint32]losses{}}
	j.quarantine, j.splits = o.Quarantine, map[uint32]*split{}
	p.mu.Lock()
	j.workers = p.slots.width.Target()
	p.mu.Unlock()
	j.token = make(chan struct{}, 1)
	j.cut = rangejob.Cut(n, o.Grain, j.workers)
	j.left = j.cut.Count
	j.done, j.given = newBits(j.cut.Count), newBits(j.cut.Count)
	if !e.out.Empty() {
		j.parts = make([][]byte, j.cut.Count)
	}
	var t task
	var err error
	j.args, err = codec.EncodeRecovered(e.in, nil, in, func(field string, b shm.Binder) (shm.WireRef, error) { return p.wire(&t, field, b) })
	j.pins, j.segs = t.refs.pins, t.refs.segs
	if err != nil {
		release(j.pins)
		return fail(err)
	}
	select { // the counters are so many
	case p.ranges.counters <- struct{}{}:
	case <-ctx.Done():
		release(j.pins)
		return nil, ctx.Err()
	case <-p.ending.ended:
		release(j.pins)
		return nil, p.broken()
	}
	done := ctx.Done()
	p.mu.Lock()
	if err := p.enterJobLocked(j); err != nil {
		p.unlock()
		<-p.ranges.counters
		release(j.pins)
		return nil, err
	}
	p.stats.Memory.BytesByRef += t.refs.bytes
	p.dispatchLocked()
	if !p.waitUnlocking(ctx, done, &j.waiter) {
		p.unlocked(func() { err = contextErr(ctx) })
		p.failJobLocked(j, err)
	}
	over := j.over
	j.alone = !over
	if o.Report != nil {
		*o.Report = RangeReport{Blocks: j.cut.Count, Split: len(j.splits)}
	}
	p.unlock()
	if over {
		release(j.pins)
		return j.inOrder(), j.err
	}
	return nil, err // blocks that still run may bring results
}

// newBits is a set of n numbers.
func newBits(n int) []uint64           { return make([]uint64, (n+63)/64) }
func hasBit(b []uint64, i uint32) bool { return b[i/64]&(1<<(i%64)) != 0 }
func setBit(b []uint64, i uint32)      { b[i/64] |= 1 << (i % 64) }
func clearBit(b []uint64, i uint32)    { b[i/64] &^= 1 << (i % 64) }

// enterJobLocked gives the job a number whose counter is free.
func (p *Pool) enterJobLocked(j *rangeJob) error {
	if err := p.endedLocked(); err != nil {
		return err
	}
	for used := true; used; {
		p.ranges.lastJob++
		used = false
		for _, o := range p.ranges.running {
			used = used || o.number%lane.MaxRanges == p.ranges.lastJob%lane.MaxRanges
		}
	}
	j.number = p.ranges.lastJob
	j.seq = p.numberTaskLocked()
	next, stop := lane.Counters(p.ranges.control.Bytes, j.number)
	next.Store(0)
	stop.Store(0)
	p.ranges.running = append(p.ranges.running, j)
	p.tasks.unresolved++
	p.wakeHelpersLocked()
	return nil
}

// joinLocked gives a share of each job to each worker that has none yet.
func (p *Pool) joinLocked() {
	if p.ending.cause != nil {
		return
	}
	for _, j := range p.ranges.running {
		if next, _ := lane.Counters(p.ranges.control.Bytes, j.number); j.left == 0 || j.err != nil || j.odd || int64(next.Load()) >= int64(j.cut.Count) {
			continue
		}
		for _, w := range p.sched.open {
			if w.open() && !j.joined[w.lane] {
				if t := j.newTask(p, wire.AnyBlock); w.lane.Fits(t.recordBytes()) && p.sendLocked(w, t) {
					j.joined[w.lane] = true
					p.ranges.addLocked(t)
				}
			}
		}
	}
}

// newTask is a share of the job.
func (j *rangeJob) newTask(p *Pool, block uint32) *task {
	p.ranges.lastShare++
	return &task{id: wire.TaskID{Index: shareIndex, Epoch: p.ranges.lastShare}, entry: j.entry, fn: j.fn, rangeShare: rangeShare{job: j, block: block}}
}

func (j *rangeJob) share(t *task) wire.RangeShare {
	return wire.RangeShare{
		Func: j.fn, Attempt: t.tries.attempt + 1, ID: t.id, Job: j.number, Workers: uint32(j.workers), Block: t.block, N: j.n, Grain: j.grain,
		Lo: t.part.lo, Hi: t.part.hi,
	}
}

// partLocked takes the result of a block. The error is what the worker did wrong.
func (w *worker) partLocked(t *task, block uint32, u wire.Usage, payload []byte) error {
	p, j := w.pool, t.job
	if t.block == wire.PartOfBlock && block == wire.PartOfBlock {
		return w.splitPartLocked(j, t, u, payload)
	}
	if int64(block) >= int64(j.cut.Count) || t.block != wire.AnyBlock && t.block != block {
		return fmt.Errorf("it sent block %d of %s, which it was not given", block, j.entry.name)
	}
	if hasBit(j.done, block) { // a counter that somebody has written to
		p.stats.dropped++
		p.distrustLocked(j)
		return nil
	}
	j.barren = 0
	if s := j.splits[block]; s != nil {
		p.endSplitLocked(j, block, s)
	}
	setBit(j.done, block)
	clearBit(j.given, block)
	w.attemptLocked(t, block, u, nil)
	if j.parts != nil {
		j.parts[block] = append([]byte(nil), payload...)
	}
	p.blockDoneLocked(j)
	return nil
}

func (p *Pool) blockDoneLocked(j *rangeJob) {
	if j.left--; j.left == 0 {
		p.endJobLocked(j)
	}
}

// memberLocked ends a share whose worker has answered. The error is what it did wrong.
func (w *worker) memberLocked(t *task, status wire.Status, u wire.Usage, payload []byte) error {
	p, j := w.pool, t.job
	p.ranges.removeLocked(t)
	if status == wire.StatusResources { // it has begun no block
		err := taskError(j.entry.name, status, payload)
		w.retireLocked("it lacks resources: " + err.Text)
		if j.short++; j.short > mostHeadDeaths*p.opts.Attempts {
			p.failJobLocked(j, err)
		}
		status = wire.StatusRevoked
	}
	switch {
	case status != wire.StatusOK && status != wire.StatusRevoked:
		err := error(taskError(j.entry.name, status, payload))
		if j.err != nil {
			err = fmt.Errorf("%w, for the range had ended: %w", ErrCancelled, err)
		}
		w.attemptLocked(t, t.block, u, err)
		p.failJobLocked(j, err)
	case t.block == wire.AnyBlock && status == wire.StatusOK:
		delete(j.joined, w.lane) // it made way for others: what is left it gets again
		if j.barren++; j.barren > len(p.sched.open)+maxBarren {
			p.distrustLocked(j)
		}
	case t.block == wire.AnyBlock:
	case t.block == wire.PartOfBlock:
		if err := p.splitMemberLocked(j, t, status); err != nil {
			return err
		}
	case !hasBit(j.done, t.block) && j.err == nil:
		if status == wire.StatusOK {
			return fmt.Errorf("it said that block %d of %s was done, and sent no result", t.block, j.entry.name)
		}
		p.giveLocked(j, t.block)
	}
	p.settleLocked(j)
	return nil
}

// failJobLocked ends the job early, for the first reason.
func (p *Pool) failJobLocked(j *rangeJob, err error) {
	if j.over || j.err != nil {
		return
	}
	j.err = err
	p.endJobLocked(j)
}

// endJobLocked ends what still runs of a job that is done or has failed.
func (p *Pool) endJobLocked(j *rangeJob) {
	_, stop := lane.Counters(p.ranges.control.Bytes, j.number)
	stop.Store(1)
	p.withdrawLocked(func(t *task) bool { return t.job == j }, func(w *worker, t *task) {
		if j.err != nil {
			w.link.Send(wire.AppendCancel(nil, t.id), -1)
		}
	})
	p.settleLocked(j)
}

// withdrawLocked takes tasks of ranges back: those that wait, here or in a lane.
// running, if not nil, is called with the others.
func (p *Pool) withdrawLocked(of func(*task) bool, running func(*worker, *task)) {
	for t := p.tasks.pending.first; t != nil; {
		next := t.next
		if of(t) {
			p.tasks.pending.remove(t)
			p.ranges.removeLocked(t)
		}
		t = next
	}
	for _, w := range p.sched.open {
		for t := range w.waitingLocked() {
			switch {
			case !of(t):
			case w.lane.TakeBack(t.place.at):
				p.ranges.removeLocked(t)
			case running != nil:
				running(w, t)
			}
		}
	}
}

// settleLocked ends the job when nobody works on it any more.
func (p *Pool) settleLocked(j *rangeJob) {
	if j.over || j.members > 0 {
		return
	}
	if j.left > 0 && j.err == nil {
		if next, _ := lane.Counters(p.ranges.control.Bytes, j.number); j.odd || int64(next.Load()) >= int64(j.cut.Count) {
			p.completeLocked(j)
		}
		return // else the next worker takes them
	}
	for i, o := range p.ranges.running {
		if o == j {
			p.ranges.running = append(p.ranges.running[:i:i], p.ranges.running[i+1:]...)
		}
	}
	if j.err == nil && len(j.poison) > 0 {
		slices.SortFunc(j.poison, func(a, b PoisonIndex) int { return cmp.Compare(a.Index, b.Index) })
		j.err = &QuarantineError{Func: j.entry.name, Indices: j.poison}
	}
	p.tasks.unresolved--
	<-p.ranges.counters
	if j.alone {
		p.releases.pins = append(p.releases.pins, j.pins...)
	}
	p.leader.overLocked(&j.waiter)
}
