package pool

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"example.com/handoff/pool/internal/codec"
	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
	"example.com/handoff/shm/ring"
)

// A resultSegments is the supervisor's side of the result arena of one incarnation: it
// makes and owns the segments from which the worker allocates, and tells the
// worker which blocks are free again. Everything that the worker says of them is
// a stranger's.
type resultSegments struct {
	link proc.Link

	mapped int64 // used by the goroutine that reads the worker's messages, alone

	freed        atomic.Bool   // frees is not empty
	memoryTasks  *atomic.Int32 // tasks in the lane that may ask for memory
	memoryWanted atomic.Bool   // the running task asked for memory: it may be waiting for some
	spines       *codec.Held   // what is made here of its shared values; nil: nobody counts

	mu     sync.Mutex
	segs   map[uint32]*shm.Segment
	frees  []wire.Allocation // not sent yet
	bytes  int64             // in them
	unread uint16            // free messages that the worker may not have read
	sent   uint16            // free messages, modulo 2¹⁶
	ended  bool
}

// urgentBytes are so many that a worker which has tasks is told at once that they
// are free: it would ask for more memory for these. Else it hears of it before its
// next task, so that this is sure to find them free.
const urgentBytes = 1 << 20

// maxUnread bounds the free messages on their way: they are the least urgent
// ones, and must not take the room of those whose worker is killed if it does
// not read them.
const maxUnread = proc.MaxBacklog / 16

// grow answers a worker whose arena asks for a segment.
func (w *worker) grow(msg []byte) error {
	bytes, ok := wire.ReadGrow(msg)
	if !ok {
		return fmt.Errorf("it sent a malformed grow: %d bytes, % x", len(msg), msg[:min(len(msg), 16)])
	}
	p, r := w.pool, w.results
	r.requestMemory() // it asks once at a time, so it has read what went before the last answer
	var seg *shm.Segment
	var err error
	switch most := p.opts.Arenas.Results.MaxBytes; {
	case most > 0 && bytes > most:
		err = fmt.Errorf("pool: %d bytes for results: %w: %d bytes", bytes, shm.ErrTooLarge, most)
	case most > 0 && bytes > most-r.mapped:
		err = fmt.Errorf("pool: %d more bytes for results: %w: %d of %d bytes mapped", bytes, shm.ErrFull, r.mapped, most)
	case r.count() >= maxSegments:
		err = fmt.Errorf("pool: %d more bytes for results: %w: %d segments, the most there can be", bytes, shm.ErrFull, maxSegments)
	default:
		if seg, err = p.create(bytes, shm.ReadWrite, w); errors.As(err, new(*shm.SpaceError)) {
			p.makeRoom(nil)
			seg, err = p.create(bytes, shm.ReadWrite, w)
		}
	}
	if errors.Is(err, shm.ErrFull) && !errors.Is(err, shm.ErrTooLarge) { // what is freed here the worker looks for before it gives up
		p.makeRoom(r)
		r.memoryWanted.Store(true) // results of earlier tasks have come meanwhile
		r.flush()
	}
	if err != nil {
		return sent(r.link.Send(wire.AppendRefuse(nil, err), -1))
	}
	p.mu.Lock()
	a := p.segments.numberResult(seg)
	r.mu.Lock() // before the worker can name it in a result
	r.segs[a.id] = seg
	r.mu.Unlock()
	r.mapped += seg.Size()
	err = w.announceLocked(a, wire.UseResult)
	p.mu.Unlock()
	seg.OnUnmap(func() { p.retire(a) })
	return sent(err)
}

// shrink closes a segment that the worker's arena gave back.
func (w *worker) shrink(msg []byte) error {
	r := w.results
	id, ok := wire.ReadShrink(msg)
	r.mu.Lock()
	seg := r.segs[id]
	delete(r.segs, id)
	r.mu.Unlock()
	if !ok || seg == nil {
		return fmt.Errorf("it sent a malformed shrink: %d bytes, % x", len(msg), msg[:min(len(msg), 8)])
	}
	r.mapped -= seg.Size()
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

// A boundResult is a result whose Views are bound.
type boundResult struct {
	value      any // *Out
	views      []shm.OwnedBinder
	bytes      int64        // of these
	large      *largeResult // instead, if there are no Views
	valueBytes int64        // encoded
	failed     error        // the task's own: nothing is bound
}

// bind checks the refs of a result and binds its Views. The error is what the
// worker did wrong; nothing is bound then.
func (r *resultSegments) bind(e *entry, payload []byte) (t boundResult, err error) {
	defer func() {
		if v := recover(); v != nil { // the leader is not to end by what a worker sends
			t, err = boundResult{}, fmt.Errorf("panic: %.1000v", v)
		}
	}()
	t.valueBytes = int64(len(payload))
	t.value, err = e.take(payload, func(field string, b shm.Binder, w shm.WireRef) error {
		seg, err := r.segmentOf(field, b, &w)
		if err != nil {
			return err
		}
		free := func() { r.free(w) }
		if err := codec.BindTo(b, seg, w.Ref, free); err != nil { // its elements are no values
			t.failed = errors.Join(t.failed, fmt.Errorf("%s: %w", field, err))
			free()
			return nil // what else there is must be freed too
		}
		if block, ok := b.(*codec.Block); ok && seg != nil {
			if err := block.Check(r.spines); err != nil {
				t.failed = errors.Join(t.failed, fmt.Errorf("%s: %w", field, err))
			}
		}
		t.views = append(t.views, b.(shm.OwnedBinder))
		t.bytes += w.Ref.Bytes()
		return nil
	})
	if errors.Is(err, codec.ErrNotReceived) { // what it was to be made of is bound
		t.failed, err = errors.Join(t.failed, err), nil
	}
	if err != nil || t.failed != nil {
		release(t.views)
		t = boundResult{failed: t.failed}
	}
	return t, err
}

// segmentOf checks a ref for b, names its segment in it, and returns that: nil if it has no
// elements.
func (r *resultSegments) segmentOf(field string, b shm.Binder, w *shm.WireRef) (seg *shm.Segment, err error) {
	size := int64(0)
	if w.ID != 0 {
		if seg = r.seg(w.ID); seg == nil {
			return nil, fmt.Errorf("%s: segment %d is not one for its results", field, w.ID)
		}
		w.Ref.Segment, size = seg.Name(), seg.Size()
	}
	if err := w.Ref.Validate(size); err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	if want := b.Ref().DType; w.Ref.DType != want {
		return nil, fmt.Errorf("%s: dtype %v, expected %v", field, w.Ref.DType, want)
	}
	return seg, nil
}

func (r *resultSegments) seg(id uint32) *shm.Segment {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.segs[id]
}

func (r *resultSegments) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.segs)
}

// free tells the worker, in time, that an array of its result was released.
func (r *resultSegments) free(w shm.WireRef) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.frees = append(r.frees, wire.Allocation{Segment: w.ID, Generation: w.Ref.Generation, Offset: w.Ref.Offset})
	r.bytes += w.Ref.Bytes()
	r.freed.Store(true)
	if r.bytes >= urgentBytes && r.memoryTasks.Load() > 0 || r.memoryWanted.Load() {
		r.flushLocked()
	}
}

// flushTo puts what the worker has not been told yet into its lane, before a task.
func (r *resultSegments) flushTo(l *lane.Lane) {
	if !r.freed.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.frees) > 0 && l.FitsMessage(2*(wire.MaxMessage+ring.SlotBytes)) { // the task must fit too
		n := min(len(r.frees), wire.MaxFrees)
		if !l.PushMessage(wire.AppendFree(nil, r.frees[:n])) {
			return
		}
		r.toldLocked(n)
	}
}

// flush tells a worker that may be running a task.
func (r *resultSegments) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flushLocked()
}

// flushLocked never waits: what cannot be sent now is sent later.
func (r *resultSegments) flushLocked() {
	for len(r.frees) > 0 && r.unread < maxUnread {
		n := min(len(r.frees), wire.MaxFrees)
		if r.link.Send(wire.AppendFree(make([]byte, 0, wire.MaxMessage), r.frees[:n]), -1) != nil {
			return
		}
		r.unread++
		r.sent++
		r.toldLocked(n)
	}
}

func (r *resultSegments) toldLocked(n int) {
	r.frees = append(r.frees[:0], r.frees[n:]...)
	r.freed.Store(len(r.frees) > 0)
	if len(r.frees) == 0 {
		r.bytes = 0
	}
}

// requestMemory says that the worker asks for memory, and has read what was sent to it: it
// hears of all that is free, and of more at once, until it has finished its task.
func (r *resultSegments) requestMemory() {
	r.memoryWanted.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unread = 0
	r.flushLocked()
}

// satisfied says that the worker has finished a task, and how many free messages it
// had read by then.
func (r *resultSegments) satisfied(read uint16) {
	if r.memoryWanted.Load() {
		r.memoryWanted.Store(false)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unread = min(r.unread, r.sent-read)
}

// end gives up the segments of a dead incarnation: each goes when the last View
// over it is released.
func (r *resultSegments) end() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	r.ended, r.frees = true, nil
	segs := r.segs
	r.segs = nil
	r.mu.Unlock()
	var errs []error
	for _, seg := range segs {
		errs = append(errs, seg.Close())
	}
	return errors.Join(errs...)
}
