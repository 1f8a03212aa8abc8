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
	id       uint32
	seg      *shm.Segment
	writable bool
}

// maxSegments bounds the segments a pool has announced and not yet retired:
// each is a mapping in every worker, of which Linux allows 65530 by default.
const maxSegments = 4096

func submit[In any](p *Pool, e *entry, in *In) (taskID, error) {
	t, err := p.admit(e)
	if err != nil {
		return taskID{}, fmt.Errorf("pool: submit %s: %w", e.name, err)
	}
	t.args, err = encode(e.in, t.args[:0], in, func(b shm.Binder) (shm.WireRef, error) { return p.wire(t, b) })
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
func (p *Pool) wire(t *task, b shm.Binder) (shm.WireRef, error) {
	pin, err := b.Pin()
	if err != nil {
		return shm.WireRef{}, err
	}
	t.pins = append(t.pins, pin)
	ref := b.Ref()
	ref.Segment = ""
	seg := pin.Segment()
	if seg == nil {
		return shm.WireRef{Ref: ref}, nil
	}
	if b.Writable() && !p.outputs.Owns(seg) {
		return shm.WireRef{}, fmt.Errorf("an Array argument must be made in Pool.Outputs(): hand others over as a View")
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
	if len(p.segs) >= maxSegments {
		p.mu.Unlock()
		return nil, fmt.Errorf("more than %d segments in use: close some, or put the arrays into an arena", maxSegments)
	}
	p.lastSeg++
	a := &announced{id: p.lastSeg, seg: seg, writable: p.outputs.Owns(seg)}
	p.segs[seg], p.segByID[a.id] = a, a
	p.mu.Unlock()
	seg.OnUnmap(func() { p.retire(a) })
	return a, nil
}

// retire tells every worker that knows the segment to unmap it.
func (p *Pool) retire(a *announced) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.segs, a.seg)
	delete(p.segByID, a.id)
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
		w.knows[a.id] = true
		msg := announce{id: a.id, writable: a.writable, size: a.seg.Size(), name: a.seg.Name()}.append(nil)
		if err := w.link.Send(msg, -1); err != nil {
			w.unsentLocked(err)
			return
		}
	}
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

// unlock is mu.Unlock for whoever may have resolved tasks. Their pins are
// released without the lock, because the last pin of a segment runs its hooks,
// and before the futures are told, so that a caller who got his result finds
// the memory free.
func (p *Pool) unlock() {
	ending := p.ending
	p.ending = nil
	p.mu.Unlock()
	if len(ending) == 0 {
		return
	}
	for _, t := range ending {
		release(t.pins)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range ending {
		t.state, t.pins, t.segs = taskResolved, t.pins[:0], t.segs[:0]
		if t.discarded {
			p.freeLocked(t)
		} else {
			t.done <- struct{}{}
		}
	}
}

func release(pins []shm.Pin) {
	for _, pin := range pins {
		pin.Release()
	}
}

// freeLocked puts a slot, whose pins were released, back into the table.
func (p *Pool) freeLocked(t *task) {
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

func (p *Pool) wait(ctx context.Context, id taskID, take func(result []byte) error) error {
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
	case <-ctx.Done():
		select {
		case <-t.done: // it was resolved all the same
		default:
			p.mu.Lock()
			t.waiting = false
			p.mu.Unlock()
			return ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	err := t.err
	if err == nil {
		if err = take(t.result); err != nil {
			err = fmt.Errorf("pool: result of %s: %w", t.entry.name, err)
		}
	}
	p.freeLocked(t)
	return err
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
	defer p.mu.Unlock()
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
