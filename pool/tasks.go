package pool

import (
	"context"
	"fmt"

	"example.com/handoff/shm"
)

// A task is one slot of the pool's table, guarded by Pool.mu, and used again
// for other tasks: epoch counts the uses.
type task struct {
	id    taskID
	state taskState
	entry *entry
	args  []byte // encoded
	segs  []*announced
	pins  []shm.Pin
	bytes int64 // handed over by Ref

	attempt    int     // from 1
	worker     *worker // while running
	result     []byte
	value      any          // a result with Views: a *Out,
	views      []shm.Binder // the Views in it
	err        error
	done       chan struct{} // holds one token once the task is resolved
	waiting    bool
	prev, next *task // while pending
	discarded  bool
	cancelled  bool // while running: not tried again
}

type taskState uint8

const (
	taskFree taskState = iota
	taskPending
	taskRunning
	taskEnding   // result or error known, pins being released
	taskResolved // ready for Wait
)

// An announced segment has a number in the messages of this pool.
type announced struct {
	id  uint32
	seg *shm.Segment
	use segmentUse // useResult: one worker's; as an argument it is an input
}

// maxSegments bounds the segments for arguments that a pool has announced and
// not yet retired, and those for results of one incarnation: each may be a
// mapping in every worker, of which Linux allows 65530 by default.
const maxSegments = 4096

func submit[In any](p *Pool, e *entry, in *In) (taskID, error) {
	t, err := p.admit(e)
	if err != nil {
		return taskID{}, fmt.Errorf("pool: submit %s: %w", e.name, err)
	}
	t.args, err = encode(e.in, t.args[:0], in, func(field string, b shm.Binder) (shm.WireRef, error) { return p.wire(t, field, b) })
	if err != nil {
		release(t.pins)
		p.mu.Lock()
		p.freeLocked(t)
		p.mu.Unlock()
		return taskID{}, fmt.Errorf("pool: submit %s: %w", e.name, err)
	}
	id := t.id
	p.mu.Lock()
	defer p.unlock()
	if err := p.endedLocked(); err != nil { // closed while the arguments were encoded
		p.resolveLocked(t, nil, err)
		return id, nil
	}
	t.state = taskPending
	p.pending.pushBack(t)
	p.stats.BytesByRef += t.bytes
	p.dispatchLocked()
	return id, nil
}

// admit takes a free slot of the table; until it is pending nobody else looks at it.
func (p *Pool) admit(e *entry) (*task, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.endedLocked(); err != nil {
		return nil, err
	}
	if _, known := p.table.number[e]; !known {
		return nil, fmt.Errorf("function %q was registered after the pool was made: use a package-level variable", e.name)
	}
	var t *task
	if n := len(p.free); n > 0 {
		t, p.free = p.free[n-1], p.free[:n-1]
	} else if len(p.tasks) < p.opts.MaxPending {
		t = &task{id: taskID{index: uint32(len(p.tasks)), epoch: 1}, done: make(chan struct{}, 1)}
		p.tasks = append(p.tasks, t)
	} else {
		return nil, fmt.Errorf("%w: %d; Wait for some, or Discard them", ErrFull, p.opts.MaxPending)
	}
	t.entry = e
	return t, nil
}

// wire pins an argument for the task and numbers its segment.
func (p *Pool) wire(t *task, field string, b shm.Binder) (shm.WireRef, error) {
	pin, err := b.Pin()
	if err != nil {
		return shm.WireRef{}, fmt.Errorf("%s: %w", field, err)
	}
	t.pins = append(t.pins, pin)
	ref := b.Ref()
	ref.Segment = ""
	seg := pin.Segment()
	if seg == nil {
		return shm.WireRef{Ref: ref}, nil
	}
	if b.Writable() && !p.outputs.Owns(seg) {
		return shm.WireRef{}, fmt.Errorf("%s: an Array argument must be made in Pool.Outputs(): hand others over as a View", field)
	}
	a, err := p.number(seg)
	if err != nil {
		return shm.WireRef{}, err
	}
	t.segs = append(t.segs, a)
	t.bytes += ref.Bytes()
	return shm.WireRef{ID: a.id, Ref: ref}, nil
}

// number gives a pinned segment its number, once.
func (p *Pool) number(seg *shm.Segment) (*announced, error) {
	p.mu.Lock()
	if a := p.segs[seg]; a != nil {
		p.mu.Unlock()
		return a, nil
	}
	if len(p.segs)-p.results.segs >= maxSegments {
		p.mu.Unlock()
		return nil, fmt.Errorf("more than %d segments in use: close some, or put the arrays into an arena", maxSegments)
	}
	use := useInput
	if p.outputs.Owns(seg) {
		use = useOutput
	}
	a := p.numberLocked(seg, use)
	p.mu.Unlock()
	seg.OnUnmap(func() { p.retire(a) })
	return a, nil
}

func (p *Pool) numberLocked(seg *shm.Segment, use segmentUse) *announced {
	p.lastSeg++
	a := &announced{id: p.lastSeg, seg: seg, use: use}
	p.segs[seg], p.segByID[a.id] = a, a
	return a
}

// announceLocked tells w of a segment and what it is to it.
func (w *worker) announceLocked(a *announced, use segmentUse) error {
	w.knows[a.id] = true
	fd := -1
	if a.seg.Anonymous() {
		fd = int(a.seg.File().Fd()) // the segment is pinned, or the worker's own
	}
	return w.link.Send(announce{id: a.id, use: use, size: a.seg.Size(), name: a.seg.Name()}.append(nil), fd)
}

// retire tells every worker that knows the segment to unmap it.
func (p *Pool) retire(a *announced) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.segs, a.seg)
	delete(p.segByID, a.id)
	if a.use == useResult {
		p.results.segs--
		p.results.bytes -= a.seg.Size()
	}
	for _, w := range p.workers {
		if w.link != nil && w.knows[a.id] {
			delete(w.knows, a.id)
			w.link.Send(appendRetire(nil, a.id), -1)
		}
	}
}

// dispatchLocked gives pending tasks to idle workers.
func (p *Pool) dispatchLocked() {
	for p.pending.first != nil && len(p.idle) > 0 {
		w := p.idle[0]
		p.idle = p.idle[1:]
		p.startLocked(w, p.pending.popFront())
	}
}

// startLocked sends a task to a worker. One that cannot be sent to is dying or
// stuck, and its death gives the task back.
func (p *Pool) startLocked(w *worker, t *task) {
	t.state, t.worker = taskRunning, w
	t.attempt++
	w.task = t
	p.stats.Attempts++
	for _, a := range t.segs {
		if w.knows[a.id] {
			continue
		}
		use := a.use
		if use == useResult {
			use = useInput // of another worker
		}
		if err := w.announceLocked(a, use); err != nil {
			w.unsentLocked(err)
			return
		}
	}
	w.results.flush()
	w.buf = appendTask(w.buf[:0], p.table.number[t.entry], t.id, t.attempt, t.args)
	if err := w.link.Send(w.buf, -1); err != nil {
		w.unsentLocked(err)
	}
}

// resolveLocked ends a task, once; p.unlock does the rest.
func (p *Pool) resolveLocked(t *task, result []byte, err error) {
	t.state, t.worker, t.err = taskEnding, nil, err
	t.result = append(t.result[:0], result...)
	p.ending = append(p.ending, t)
}

// unlock is mu.Unlock for whoever may have resolved or freed tasks. Their pins
// and unwanted results are released without the lock, because the last pin of a
// segment runs its hooks, and the pins before the futures are told, so that a
// caller who got his result finds the memory free.
func (p *Pool) unlock() {
	for {
		ending, unwanted := p.ending, p.unwanted
		p.ending, p.unwanted = nil, nil
		p.mu.Unlock()
		if len(ending) == 0 && len(unwanted) == 0 {
			return
		}
		release(unwanted)
		for _, t := range ending {
			release(t.pins)
		}
		p.mu.Lock()
		for _, t := range ending {
			t.state, t.pins, t.segs = taskResolved, t.pins[:0], t.segs[:0]
			if t.discarded {
				p.freeLocked(t)
			} else {
				t.done <- struct{}{}
			}
		}
	}
}

func release[R interface{ Release() }](held []R) {
	for _, h := range held {
		h.Release()
	}
}

// freeLocked puts a slot, whose pins were released, back into the table;
// p.unlock gives up a result that nobody took.
func (p *Pool) freeLocked(t *task) {
	p.unwanted = append(p.unwanted, t.views...)
	*t = task{
		id: taskID{t.id.index, t.id.epoch + 1}, done: t.done,
		args: t.args[:0], result: t.result[:0], pins: t.pins[:0], segs: t.segs[:0],
	}
	p.free = append(p.free, t)
}

// lookLocked finds the task of a future that is still good.
func (p *Pool) lookLocked(id taskID) *task {
	if int64(id.index) >= int64(len(p.tasks)) {
		return nil
	}
	if t := p.tasks[id.index]; t.id == id && t.state != taskFree && !t.discarded {
		return t
	}
	return nil
}

func (p *Pool) wait(ctx context.Context, id taskID, take func(t *task) error) error {
	p.mu.Lock()
	t := p.lookLocked(id)
	if t == nil || t.waiting {
		p.mu.Unlock()
		return ErrWaited
	}
	t.waiting = true
	p.mu.Unlock()

	select {
	case <-t.done:
		p.mu.Lock()
	case <-ctx.Done():
		p.mu.Lock()
		if t.state != taskResolved {
			t.waiting = false
			p.mu.Unlock()
			return ctx.Err()
		}
		<-t.done // it was resolved all the same
	}
	defer p.unlock()
	err := t.err
	if err == nil {
		if err = take(t); err != nil {
			err = fmt.Errorf("pool: result of %s: %w", t.entry.name, err)
		} else {
			t.views = nil // they are the caller's now
		}
	}
	p.freeLocked(t)
	return err
}

// giveUpResults releases the results that nobody waits for.
func (p *Pool) giveUpResults() {
	p.mu.Lock()
	defer p.unlock()
	for _, t := range p.tasks {
		if t.state == taskResolved && !t.waiting && t.views != nil {
			p.unwanted = append(p.unwanted, t.views...)
			t.value, t.views = nil, nil
			t.err = fmt.Errorf("%w, and the result of %s given up", ErrClosed, t.entry.name)
		}
	}
}

func (p *Pool) cancel(id taskID) {
	p.mu.Lock()
	defer p.unlock()
	t := p.lookLocked(id)
	if t == nil {
		return
	}
	switch t.state {
	case taskPending:
		p.pending.remove(t)
		p.resolveLocked(t, nil, ErrCancelled)
	case taskRunning:
		t.cancelled = true
		t.worker.link.Send(appendCancel(nil, t.id), -1)
	}
}

func (p *Pool) discard(id taskID) {
	p.mu.Lock()
	defer p.unlock()
	t := p.lookLocked(id)
	if t == nil || t.waiting {
		return
	}
	t.discarded = true
	if t.state == taskResolved {
		<-t.done
		p.freeLocked(t)
	}
}
