package shm

import (
	"fmt"
	"sync/atomic"
)

// A hold keeps one array's block and the mapping under it: one reference for
// the array that was made and one for each Pin. At zero the block goes back.
type hold struct {
	seg      *Segment
	refs     atomic.Int32
	released atomic.Bool // by the array's own Release
	free     func()      // gives the block back to its arena; nil elsewhere
}

// newHold pins seg and returns its first reference.
func newHold(seg *Segment, free func()) (*hold, error) {
	if err := seg.pin(); err != nil {
		return nil, err
	}
	h := &hold{seg: seg, free: free}
	h.refs.Store(1)
	return h, nil
}

func (h *hold) drop() {
	if h.refs.Add(-1) > 0 {
		return
	}
	if h.free != nil {
		h.free()
	}
	h.seg.unpin()
}

// release ends the array's own reference. Doing it twice is the caller's
// mistake: the block may be somebody else's by then.
func (h *hold) release() {
	if h == nil { // no elements, no block
		return
	}
	if !h.released.CompareAndSwap(false, true) {
		panic(fmt.Sprintf("shm: array in segment %q released twice", h.seg.name))
	}
	h.drop()
}

// A Pin keeps an array's bytes where they are, past the Release of the array,
// until its own Release. The zero Pin holds nothing. A pool pins the arguments
// of a task until the task is resolved.
type Pin struct{ h *hold }

func (h *hold) pin() (Pin, error) {
	if h == nil {
		return Pin{}, nil
	}
	for {
		n := h.refs.Load()
		if n == 0 || h.released.Load() {
			return Pin{}, fmt.Errorf("shm: array in segment %q: %w", h.seg.name, ErrReleased)
		}
		if h.refs.CompareAndSwap(n, n+1) {
			return Pin{h}, nil
		}
	}
}

// Segment is where the pinned array lies; nil for one without elements.
func (p Pin) Segment() *Segment {
	if p.h == nil {
		return nil
	}
	return p.h.seg
}

// Release ends the pin. Call it once.
func (p Pin) Release() {
	if p.h != nil {
		p.h.drop()
	}
}
