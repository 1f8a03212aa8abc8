package worker

import (
	"fmt"
	"io"
	"sync"

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A resultArena is the worker's side of its results: the arena from which the
// function allocates and the pins on what it has returned.
type resultArena struct {
	arena  *shm.Arena
	link   proc.Link
	answer chan growth     // to the one growth that is asked for
	gone   <-chan struct{} // closed when there will be no answer any more

	mu       sync.Mutex                    // guards what follows
	segments map[*shm.Segment]uint32       // the arena's, with their numbers
	returned map[wire.Allocation][]shm.Pin // of results that the supervisor has
	made     map[wire.Allocation][]shm.Pin // of the running task's result
}

type growth struct {
	seg *shm.Segment
	err error
}

// newResultArena makes an arena without a budget of its own: the supervisor has
// it, who hears then that the worker waits.
func newResultArena(link proc.Link, segmentBytes int64, gone <-chan struct{}) *resultArena {
	r := &resultArena{
		link:     link,
		answer:   make(chan growth, 1),
		gone:     gone,
		segments: map[*shm.Segment]uint32{},
		returned: map[wire.Allocation][]shm.Pin{},
		made:     map[wire.Allocation][]shm.Pin{},
	}
	r.arena = shm.NewArena(r.grow, &shm.ArenaOptions{SegmentBytes: segmentBytes, Scratch: true})
	return r
}

// grow asks the supervisor for a segment. The arena calls it once at a time.
func (r *resultArena) grow(bytes int64) (*shm.Segment, error) {
	if err := r.link.Send(wire.AppendGrow(nil, bytes), -1); err != nil {
		return nil, fmt.Errorf("pool: ask for %d bytes for results: %w", bytes, err)
	}
	select {
	case g := <-r.answer:
		return g.seg, g.err
	case <-r.gone:
		return nil, fmt.Errorf("pool: ask for %d bytes for results: %w", bytes, io.ErrClosedPipe)
	}
}

// grown passes the supervisor's answer on.
func (r *resultArena) grown(id uint32, seg *shm.Segment, err error) error {
	if seg == nil && id != 0 { // it could not be mapped here
		r.link.Send(wire.AppendShrink(nil, id), -1)
	}
	if seg != nil {
		r.mu.Lock()
		r.segments[seg] = id
		r.mu.Unlock()
		seg.OnUnmap(func() { // the arena has no use for it, or the worker ends
			r.mu.Lock()
			delete(r.segments, seg)
			r.mu.Unlock()
			r.link.Send(wire.AppendShrink(nil, id), -1)
		})
	}
	select {
	case r.answer <- growth{seg, err}:
		return nil
	default:
		return fmt.Errorf("%w: memory for results that was not asked for", wire.ErrMalformed)
	}
}

// freed takes back what the supervisor has released. Blocks that are not known
// are ignored.
func (r *resultArena) freed(blocks []wire.Allocation) {
	var back []shm.Pin
	r.mu.Lock()
	for _, b := range blocks {
		pins := r.returned[b]
		if len(pins) == 0 {
			continue
		}
		back = append(back, pins[len(pins)-1])
		if pins = pins[:len(pins)-1]; len(pins) == 0 {
			delete(r.returned, b)
		} else {
			r.returned[b] = pins
		}
	}
	r.mu.Unlock()
	release(back)
}

// ref pins an OwnedView of the running task's result.
func (r *resultArena) ref(b shm.Binder) (shm.WireRef, error) {
	pin, err := b.Pin()
	if err != nil {
		return shm.WireRef{}, err
	}
	ref := b.Ref()
	ref.Segment = ""
	if pin.Segment() == nil {
		return shm.WireRef{Ref: ref}, nil
	}
	r.mu.Lock()
	id, ours := r.segments[pin.Segment()]
	r.mu.Unlock()
	if !ours {
		pin.Release()
		return shm.WireRef{}, fmt.Errorf("the array was not made in Task.Arena() by this task: make it there, or copy it with shm.PutCopy")
	}
	at := wire.Allocation{Segment: id, Generation: ref.Generation, Offset: ref.Offset}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made[at] = append(r.made[at], pin)
	return shm.WireRef{ID: id, Ref: ref}, nil
}

// finish ends what the task has made and does not return: everything, unless
// it succeeded.
func (r *resultArena) finish(ok bool) {
	var back []shm.Pin
	r.mu.Lock()
	for at, pins := range r.made {
		if ok {
			r.returned[at] = append(r.returned[at], pins...)
		} else {
			back = append(back, pins...)
		}
	}
	clear(r.made)
	r.mu.Unlock()
	release(back)
	r.arena.Reset()
}

// end gives everything back. What the supervisor holds of it stays as it is: a
// closed arena gives no block out again.
func (r *resultArena) end() {
	var back []shm.Pin
	r.mu.Lock()
	for _, pins := range r.returned {
		back = append(back, pins...)
	}
	clear(r.returned)
	r.mu.Unlock()
	r.arena.Close()
	release(back)
	r.arena.Reset()
}

func release(pins []shm.Pin) {
	for _, p := range pins {
		p.Release()
	}
}
