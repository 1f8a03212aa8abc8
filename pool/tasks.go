package pool

import (
	"errors"
	"fmt"
	"runtime/debug"

	"example.com/handoff/pool/internal/codec"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A task is one slot of the pool's table, guarded by Pool.mu, and used again
// for other tasks: epoch counts the uses.
type task struct {
	waiter
	id    wire.TaskID
	seq   uint64 // Future.TaskNumber
	state taskState
	entry *entry
	fn    uint16 // its number
	args  []byte // encoded
	segs  []*announced
	pins  []shm.Pin
	bytes int64 // handed over by Ref

	attempt    int     // from 1: started, or in a lane
	worker     *worker // in whose lane it is
	at         uint64  // position in the lane
	result     []byte
	value      any               // a result with Views: a *Out,
	views      []shm.OwnedBinder // the OwnedViews in it
	err        error
	waiting    bool
	next, prev *task // while pending
	discarded  bool
	deaths     int  // under it
	memory     int  // of these, for want of memory while others ran
	later      bool // waits before it is tried again
	told       bool // that the pool is being closed
	gentle     bool // cancelled, but not to be killed for it
	unlucky    int  // workers that died, or left it lying, with it at the head of their lane, not begun
	cancelled  bool // while in a lane: not tried again

	group *group // that it is of, or nil
	tag   int

	job    *rangeJob // that it is a share of; such a task is in no table
	block  uint32    // of the job, or shareAll
	split  *split    // of a sharePart: of which it is one
	part   part
	parent uint32 // the block
}

// movable reports whether any worker may have it.
func (t *task) movable() bool { return t.job == nil || t.block != wire.AnyBlock }

// tasks is the table of tasks and what waits in it. Guarded by Pool.mu.
type tasks struct {
	all        []*task // by index
	free       []*task
	placeFree  chan struct{} // closed when a slot becomes free; nil while nobody waits for one
	pending    taskList      // in no lane
	delayed    taskList      // wait before they are tried again
	unresolved int
	lastNumber uint64 // of a task or range
}

// releases is what is to be released without the lock by the next p.unlock. Guarded
// by Pool.mu.
type releases struct {
	tasks []*task           // resolved, with pins
	views []shm.OwnedBinder // of results that nobody wants
	pins  []shm.Pin         // of ranges whose caller has left
	spare []*task           // memory for tasks
}

// scheduler has the workers that can be given tasks. Guarded by Pool.mu.
type scheduler struct {
	open   []*worker // those with a lane, by slot; a new slice at each change
	record []byte    // memory for the record of a task
}

type taskState uint8

const (
	taskFree taskState = iota
	taskPending
	taskSent     // in a lane: waiting there or running
	taskEnding   // result or error known, pins being released
	taskResolved // ready for Wait
)

// submit hands a task to the pool; g and tag are those of [Fn.MapUnordered].
func submit[In any](p *Pool, e *entry, in *In, g *group, tag int) (id wire.TaskID, seq uint64, err error) {
	p.mu.Lock()
	t, err := p.admitLocked(e)
	if err != nil {
		p.mu.Unlock()
		return wire.TaskID{}, 0, fmt.Errorf("pool: submit %s: %w", e.name, err)
	}
	t.group, t.tag = g, tag
	if !e.in.Arrays() {
		if t.args, err = codec.EncodeRecovered(e.in, t.args[:0], in, nil); err == nil {
			p.enterLocked(t)
		}
	} else {
		p.mu.Unlock() // until it is pending nobody else looks at it
		t.args, err = codec.EncodeRecovered(e.in, t.args[:0], in, func(field string, b shm.Binder) (shm.WireRef, error) { return p.wire(t, field, b) })
		if err != nil {
			release(t.pins)
		}
		p.mu.Lock()
		if err == nil {
			p.enterLocked(t)
		}
	}
	id, seq = t.id, t.seq
	if err != nil {
		seq = 0
		p.freeLocked(t)
		err = fmt.Errorf("pool: submit %s: %w", e.name, err)
	}
	p.unlock()
	return id, seq, err
}

// enterLocked makes an encoded task pending.
func (p *Pool) enterLocked(t *task) {
	p.tasks.unresolved++
	t.seq = p.numberTaskLocked()
	if err := p.endedLocked(); err != nil { // closed while the arguments were encoded
		p.resolveLocked(t, nil, err)
		return
	}
	p.stats.Memory.BytesByRef += t.bytes
	p.workLocked()
	if p.tasks.pending.first == nil {
		if w := p.pickLocked(t.recordBytes()); w != nil && p.sendLocked(w, t) {
			w.lane.PublishSome()
			return
		}
	}
	t.state = taskPending
	p.tasks.pending.pushBack(t)
	p.dispatchLocked()
	if t.state == taskPending && !p.leader.held { // the lanes are full, perhaps of results
		p.leader.held = true
		passed := false
		defer p.unwindLocked(&passed)
		p.drainLocked()
		passed = true
		p.passLocked()
	}
}

// admitLocked takes a free slot of the table.
func (p *Pool) admitLocked(e *entry) (*task, error) {
	if err := p.endedLocked(); err != nil {
		return nil, err
	}
	fn, known := p.table.number(e)
	if !known {
		return nil, fmt.Errorf("function %q was registered after the pool was made: use a package-level variable", e.name)
	}
	if len(p.tasks.free) == 0 {
		if len(p.tasks.all) >= p.opts.MaxPending {
			return nil, fmt.Errorf("%w: %d; Wait for some, or Discard them", ErrFull, p.opts.MaxPending)
		}
		p.growLocked()
	}
	n := len(p.tasks.free) - 1
	t := p.tasks.free[n]
	p.tasks.free = p.tasks.free[:n]
	t.entry, t.fn = e, fn
	return t, nil
}

// growLocked makes the table larger, by a block.
func (p *Pool) growLocked() {
	block := make([]task, min(64, p.opts.MaxPending-len(p.tasks.all)))
	for i := range block {
		t := &block[i]
		t.id = wire.TaskID{Index: uint32(len(p.tasks.all)), Epoch: 1}
		t.token = make(chan struct{}, 1)
		p.tasks.all = append(p.tasks.all, t)
	}
	for i := range block { // the lowest first
		p.tasks.free = append(p.tasks.free, &block[len(block)-1-i])
	}
}

// dispatchLocked puts pending tasks into the lanes with the fewest.
func (p *Pool) dispatchLocked() {
	for p.tasks.pending.first != nil {
		t := p.tasks.pending.first
		w := p.pickLocked(t.recordBytes())
		if w == nil {
			break
		}
		if p.sendLocked(w, t) {
			p.tasks.pending.remove(t)
		}
	}
	if len(p.ranges.running) > 0 {
		p.joinLocked()
	}
	for _, w := range p.sched.open {
		w.lane.Publish()
	}
}

// pickLocked is the worker to have a task of that many bytes next; nil if there is none.
func (p *Pool) pickLocked(bytes int) (best *worker) {
	if p.ending.cause != nil {
		return nil
	}
	for _, w := range p.sched.open {
		if w.open() && (best == nil || best.watch.Stopped() || w.lane.Len() < best.lane.Len() && !w.watch.Stopped()) && w.room(bytes) {
			if best = w; w.lane.Len() == 0 && !w.watch.Stopped() {
				break
			}
		}
	}
	return best
}

// room reports whether w can have a task of that many bytes: not one more than
// Options.RecycleTasks.
func (w *worker) room(bytes int) bool {
	most := w.pool.opts.RecycleTasks
	return w.lane.Fits(bytes) && (most == 0 || w.done+int64(w.lane.Tasks()) < most)
}

// sendLocked puts a pending task into a worker's lane, which has room for it.
// Where a segment cannot be announced it ends the worker instead.
func (p *Pool) sendLocked(w *worker, t *task) bool {
	segs := t.segs
	if t.job != nil {
		segs = t.job.segs
	}
	for _, a := range segs {
		if w.knows[a.id] {
			continue
		}
		use := a.use
		if use == wire.UseResult {
			use = wire.UseInput // of another worker
		}
		if err := w.announceLocked(a, use); err != nil {
			w.unsentLocked(err)
			return false
		}
	}
	w.results.flushTo(w.lane)
	p.sched.record = t.appendRecord(p.sched.record[:0])
	at, ok := w.lane.Push(p.sched.record, t.id, t.entry.out.Arrays())
	if !ok {
		w.failLocked(fmt.Errorf("the ring to it: %w", w.lane.Err()))
		return false
	}
	t.at = at
	t.state, t.worker = taskSent, w
	t.attempt++
	return true
}

func (t *task) recordBytes() int {
	if t.job != nil {
		return wire.RangeShareBytes + len(t.job.args)
	}
	return wire.TaskBytes + len(t.args)
}

// appendRecord appends what the worker gets, for an attempt more than there were.
func (t *task) appendRecord(b []byte) []byte {
	if t.job != nil {
		return t.job.share(t).Append(b, t.job.args)
	}
	return wire.AppendTask(b, t.fn, t.id, t.attempt+1, t.args)
}

// requeueLocked puts a task that was in a lane and that no worker has begun to
// where it is next.
func (p *Pool) requeueLocked(t *task) {
	t.state, t.worker = taskPending, nil
	t.attempt--
	p.tasks.pending.pushFront(t)
}

// resolveLocked ends a task, once; p.unlock does the rest where it has pins.
func (p *Pool) resolveLocked(t *task, result []byte, err error) {
	p.tasks.unresolved--
	switch {
	case err == nil:
		p.stats.Done++
	case errors.Is(err, ErrCancelled):
		p.stats.Cancelled++
	default:
		p.stats.Failed++
	}
	t.worker, t.err = nil, err
	t.result = append(t.result[:0], result...)
	if len(t.pins) == 0 {
		p.resolvedLocked(t)
		return
	}
	t.state = taskEnding
	p.releases.tasks = append(p.releases.tasks, t)
}

// resolvedLocked tells who waits for it.
func (p *Pool) resolvedLocked(t *task) {
	t.state = taskResolved
	switch {
	case t.discarded:
		p.freeLocked(t)
	case t.group != nil:
		t.group.ready = append(t.group.ready, t)
		p.overLocked(&t.group.waiter)
	default:
		p.overLocked(&t.waiter)
	}
}

// unlock is mu.Unlock for whoever may have resolved or freed tasks. Their pins
// and unwanted results are released without the lock, because the last pin of a
// segment runs its hooks, and the pins before the futures are told, so that a
// caller who got his result finds the memory free.
func (p *Pool) unlock() {
	for len(p.releases.tasks)+len(p.releases.views)+len(p.releases.pins) > 0 {
		ending, unwanted, unpin := p.releases.tasks, p.releases.views, p.releases.pins
		p.releases.tasks, p.releases.views, p.releases.pins = p.releases.spare[:0], nil, nil
		p.releases.spare = nil
		p.mu.Unlock()
		release(unwanted)
		release(unpin)
		for _, t := range ending {
			release(t.pins)
		}
		p.mu.Lock()
		for i, t := range ending {
			t.pins, t.segs = t.pins[:0], t.segs[:0]
			p.resolvedLocked(t)
			ending[i] = nil
		}
		p.releases.spare = ending[:0]
	}
	p.mu.Unlock()
}

// release releases all, whatever the hooks of their segments do: a panic in one is a
// panic of its own goroutine, and the program's end, and does not unwind whoever
// happens to be here.
func release[R interface{ Release() }](held []R) {
	for _, h := range held {
		func() {
			over := false
			defer func() {
				if !over {
					v, stack := recover(), debug.Stack() // nil for runtime.Goexit
					go func() { panic(fmt.Sprintf("pool: a hook of a view or segment has not returned: %v\n\n%s", v, stack)) }()
				}
			}()
			h.Release()
			over = true
		}()
	}
}

// freeLocked puts a slot, whose pins were released, back into the table;
// p.unlock gives up a result that nobody took.
func (p *Pool) freeLocked(t *task) {
	p.releases.views = append(p.releases.views, t.views...)
	t.id.Epoch = max(t.id.Epoch+1, 1) // never 0
	t.state, t.entry, t.attempt, t.bytes = taskFree, nil, 0, 0
	t.value, t.views, t.err = nil, nil, nil
	t.group, t.over, t.looked = nil, false, false
	t.unlucky, t.deaths, t.memory, t.later, t.gentle, t.told = 0, 0, 0, false, false, false
	t.waiting, t.discarded, t.cancelled = false, false, false
	t.pins, t.segs = t.pins[:0], t.segs[:0]
	p.tasks.free = append(p.tasks.free, t)
	p.placeFreeLocked()
}

// lookLocked finds the task of a future that is still good.
func (p *Pool) lookLocked(id wire.TaskID) *task {
	if int64(id.Index) >= int64(len(p.tasks.all)) {
		return nil
	}
	if t := p.tasks.all[id.Index]; t.id == id && t.state != taskFree && !t.discarded {
		return t
	}
	return nil
}

// giveUpResults releases the results that nobody waits for.
func (p *Pool) giveUpResults() {
	p.mu.Lock()
	defer p.unlock()
	for _, t := range p.tasks.all {
		if t.state == taskResolved && !t.waiting && t.views != nil {
			p.releases.views = append(p.releases.views, t.views...)
			t.value, t.views = nil, nil
			t.err = fmt.Errorf("%w, and the result of %s given up", ErrClosed, t.entry.name)
		}
	}
}

// cancel ends a task; a running one gently, or else by killing its worker in the end.
func (p *Pool) cancel(id wire.TaskID, gently bool) {
	p.mu.Lock()
	defer p.unlock()
	t := p.lookLocked(id)
	if t == nil {
		return
	}
	if !p.cancelQueuedLocked(t) && t.state == taskSent {
		t.gentle = gently && (t.gentle || !t.cancelled)
		t.cancelled = true
		t.worker.link.Send(wire.AppendCancel(nil, t.id), -1)
	}
}

func (p *Pool) discard(id wire.TaskID) {
	p.mu.Lock()
	defer p.unlock()
	t := p.lookLocked(id)
	if t == nil || t.waiting {
		return
	}
	t.discarded = true
	if t.state == taskResolved {
		p.freeLocked(t)
	}
}
