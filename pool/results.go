package pool

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"example.com/handoff/shm"
)

// A results is the supervisor's side of the result arena of one incarnation: it
// makes and owns the segments from which the worker allocates, and tells the
// worker which blocks are free again. Everything that the worker says of them is
// a stranger's.
type results struct {
	link transport

	// Used by the goroutine that reads the worker's messages, alone.
	segs   map[uint32]*shm.Segment
	mapped int64

	mu     sync.Mutex
	frees  []block // not sent yet
	unread int     // free messages that the worker may not have read
	hungry bool    // the running task was refused memory: it may be waiting for some
	ended  bool
}

// maxUnread bounds the free messages on their way: they are the least urgent
// ones, and must not take the room of those whose worker is killed if it does
// not read them.
const maxUnread = maxBacklog / 16

// grow answers a worker whose arena asks for a segment.
func (w *worker) grow(msg []byte) error {
	bytes, ok := readGrow(msg)
	if !ok {
		return fmt.Errorf("it sent a malformed grow: %d bytes, % x", len(msg), msg[:min(len(msg), 16)])
	}
	p, r := w.pool, w.results
	r.read(true) // it asks once at a time, so it has read what went before the last answer
	var seg *shm.Segment
	var err error
	switch most := p.opts.Results.MaxBytes; {
	case most > 0 && bytes > most:
		err = fmt.Errorf("pool: %d bytes for results: %w: %d bytes", bytes, shm.ErrTooLarge, most)
	case most > 0 && bytes > most-r.mapped:
		err = fmt.Errorf("pool: %d more bytes for results: %w: %d of %d bytes mapped", bytes, shm.ErrFull, r.mapped, most)
	case len(r.segs) >= maxSegments:
		err = fmt.Errorf("pool: %d more bytes for results: %w: %d segments, the most there can be", bytes, shm.ErrFull, maxSegments)
	default:
		seg, err = p.create(bytes, shm.ReadWrite, w)
	}
	if err != nil {
		return sent(r.link.Send(appendRefuse(nil, err), -1))
	}
	p.mu.Lock()
	a := p.numberLocked(seg, useResult)
	p.results.segs++
	p.results.bytes += seg.Size()
	err = w.announceLocked(a, useResult)
	p.mu.Unlock()
	seg.OnUnmap(func() { p.retire(a) })
	r.segs[a.id] = seg
	r.mapped += seg.Size()
	return sent(err)
}

// shrink closes a segment that the worker's arena gave back.
func (w *worker) shrink(msg []byte) error {
	id, ok := readShrink(msg)
	seg := w.results.segs[id]
	if !ok || seg == nil {
		return fmt.Errorf("it sent a malformed shrink: %d bytes, % x", len(msg), msg[:min(len(msg), 8)])
	}
	delete(w.results.segs, id)
	w.results.mapped -= seg.Size()
	return seg.Close()
}

// sent is why a worker cannot go on: a message did not get to it. At the end of
// its socket its death is on the way.
func sent(err error) error {
	if errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}

// A taken result has its Views bound.
type taken struct {
	value  any // *Out
	views  []shm.Binder
	bytes  int64
	failed error // the task's own: nothing is bound
}

// take checks the refs of a result and binds its Views. The error is what the
// worker did wrong; nothing is bound then.
func (r *results) take(e *entry, payload []byte) (t taken, err error) {
	t.value, err = e.take(payload, func(field string, b shm.Binder, w shm.WireRef) error {
		var seg *shm.Segment
		size := int64(0)
		if w.ID != 0 {
			if seg = r.segs[w.ID]; seg == nil {
				return fmt.Errorf("%s: segment %d is not one for its results", field, w.ID)
			}
			w.Ref.Segment, size = seg.Name(), seg.Size()
		}
		if err := w.Ref.Validate(size); err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
		if want := b.Ref().DType; w.Ref.DType != want {
			return fmt.Errorf("%s: dtype %v, expected %v", field, w.Ref.DType, want)
		}
		free := func() { r.free(block{w.ID, w.Ref.Generation, w.Ref.Offset}) }
		if err := b.Bind(seg, w.Ref, free); err != nil { // its elements are no values
			t.failed = errors.Join(t.failed, fmt.Errorf("%s: %w", field, err))
			free()
			return nil // what else there is must be freed too
		}
		t.views = append(t.views, b)
		t.bytes += w.Ref.Bytes()
		return nil
	})
	if err != nil || t.failed != nil {
		release(t.views)
		t = taken{failed: t.failed}
	}
	return t, err
}

// free tells the worker, in time, that a View of its result was released.
func (r *results) free(b block) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.frees = append(r.frees, b)
	if r.hungry || len(r.frees) >= maxFrees {
		r.flushLocked()
	}
}

// flush sends what the worker has not been told yet, before it gets a task.
func (r *results) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flushLocked()
}

// flushLocked never waits: what cannot be sent now is sent later.
func (r *results) flushLocked() {
	for len(r.frees) > 0 && r.unread < maxUnread {
		n := min(len(r.frees), maxFrees)
		if r.link.Send(appendFree(make([]byte, 0, maxMessage), r.frees[:n]), -1) != nil {
			return
		}
		r.unread++
		r.frees = append(r.frees[:0], r.frees[n:]...)
	}
}

// read says that the worker has read what was sent to it, and whether it asks
// for memory: then it hears of all that is free, and of more at once, until it
// has finished its task.
func (r *results) read(hungry bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unread, r.hungry = 0, hungry
	if hungry {
		r.flushLocked()
	}
}

// end gives up the segments of a dead incarnation: each goes when the last View
// over it is released.
func (r *results) end() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	r.ended, r.frees = true, nil
	r.mu.Unlock()
	var errs []error
	for _, seg := range r.segs {
		errs = append(errs, seg.Close())
	}
	return errors.Join(errs...)
}
