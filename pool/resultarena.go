package pool

import (
	"fmt"
	"io"
	"sync"

	"example.com/handoff/shm"
)

// A resultArena is the worker's side of its results: the arena from which the
// function allocates and the pins on what it has returned.
type resultArena struct {
	arena  *shm.Arena
	link   transport
	answer chan growth   // to the one growth that is asked for
	gone   chan struct{} // closed when there will be no answer any more

	mu   sync.Mutex
	own  map[*shm.Segment]uint32 // the arena's segments
	pins map[block][]shm.Pin     // of results that the supervisor has
	made map[block][]shm.Pin     // of the running task's
	back []shm.Pin               // freed by the supervisor
}

type growth struct {
	seg *shm.Segment
	err error
}

func newResultArena(link transport, opts shm.ArenaOptions) *resultArena {
	r := &resultArena{
		link:   link,
		answer: make(chan growth, 1),
		gone:   make(chan struct{}),
		own:    map[*shm.Segment]uint32{},
		pins:   map[block][]shm.Pin{},
		made:   map[block][]shm.Pin{},
	}
	r.arena = shm.NewArena(r.grow, &opts)
	return r
}

// grow asks the supervisor for a segment. The arena calls it once at a time.
func (r *resultArena) grow(bytes int64) (*shm.Segment, error) {
	if err := r.link.Send(appendGrow(nil, bytes), -1); err != nil {
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
	if seg != nil {
		r.mu.Lock()
		r.own[seg] = id
		r.mu.Unlock()
	}
	select {
	case r.answer <- growth{seg, err}:
		return nil
	default:
		return fmt.Errorf("%w: memory for results that was not asked for", errRecord)
	}
}

// freed hears of released results. Blocks that are not known are ignored. The
// memory goes back when the next task begins: the arena may be waiting for an
// answer that only the caller of freed can bring.
func (r *resultArena) freed(blocks []block) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range blocks {
		pins := r.pins[b]
		if len(pins) == 0 {
			continue
		}
		r.back = append(r.back, pins[len(pins)-1])
		if pins = pins[:len(pins)-1]; len(pins) == 0 {
			delete(r.pins, b)
		} else {
			r.pins[b] = pins
		}
	}
}

// begin takes back what was freed.
func (r *resultArena) begin() {
	r.mu.Lock()
	back := r.back
	r.back = nil
	r.mu.Unlock()
	release(back)
}

// wire pins a View of the running task's result. bound are its arguments.
func (r *resultArena) wire(b shm.Binder, bound []argument) (shm.WireRef, error) {
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
	id, ours := r.own[pin.Segment()]
	r.mu.Unlock()
	for _, arg := range bound {
		if p, err := arg.Pin(); err == nil {
			ours = ours && p != pin // an earlier result of this worker may come back to it
			p.Release()
		}
	}
	if !ours {
		pin.Release()
		return shm.WireRef{}, fmt.Errorf("the array was not made in Task.Arena() by this task: make it there, or copy it with shm.PutCopy")
	}
	at := block{id, ref.Generation, ref.Offset}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made[at] = append(r.made[at], pin)
	return shm.WireRef{ID: id, Ref: ref}, nil
}

// finish ends what the task has made and does not return: everything, unless
// it succeeded.
func (r *resultArena) finish(ok bool) {
	r.mu.Lock()
	for at, pins := range r.made {
		if ok {
			r.pins[at] = append(r.pins[at], pins...)
		} else {
			r.back = append(r.back, pins...)
		}
	}
	clear(r.made)
	r.mu.Unlock()
	r.arena.Reset()
	r.begin()
}

// end gives everything back; the segments are the supervisor's to close.
func (r *resultArena) end() {
	r.mu.Lock()
	for _, pins := range r.pins {
		r.back = append(r.back, pins...)
	}
	clear(r.pins)
	r.mu.Unlock()
	r.arena.Reset()
	r.begin()
}
