package shm

import (
	"fmt"
	"sync/atomic"
)

// A hold keeps one array's block and the mapping under it: one reference for
// the array that was made and one for each Pin. With the last one the block goes
// back and the hold is used again, so that a view costs no allocation; whoever
// still has a copy from an earlier use is told by the number of the use.
type hold struct {
	seg   *Segment
	state atomic.Uint64 // use<<32 | released<<31 | references
	arena *Arena        // where block goes back to; nil outside arenas
	block extent
	under Pin  // of the array that an OwnedView was made of
	lent  bool // to a task: there is no OwnedView of it
	onEnd func()
	watch leakWatch // assertion build
}

const (
	stateUse      = 32
	stateReleased = 1 << 31
	stateRefs     = stateReleased - 1
)

// newHold pins seg and returns a hold with its first reference, and its use.
func newHold(seg *Segment) (*hold, uint32, error) {
	seg.mu.Lock()
	if seg.closed {
		seg.mu.Unlock()
		return nil, 0, fmt.Errorf("shm: segment %q: %w", seg.name, ErrClosed)
	}
	h := seg.holdLocked()
	seg.mu.Unlock()
	return h, h.begin(), nil
}

// holdLocked takes an unused hold, if there is one, and pins s for it.
func (s *Segment) holdLocked() (h *hold) {
	s.pins++
	if n := len(s.holds); n > 0 {
		h, s.holds = s.holds[n-1], s.holds[:n-1]
	}
	if h == nil {
		h = &hold{seg: s}
	}
	return h
}

// begin makes the first reference to h, and returns the number of its use.
func (h *hold) begin() uint32 {
	use := uint32(h.state.Load() >> stateUse)
	h.state.Store(uint64(use)<<stateUse | 1)
	h.watch.begin(h)
	return use
}

// own returns a hold of its own on what h keeps: its first reference pins h.
func (h *hold) own(use uint32) (*hold, uint32) {
	if h.lent {
		panic(fmt.Sprintf("shm: Own of a task's argument in segment %q: it ends when the function returns; copy it with PutCopy", h.seg.name))
	}
	under, err := h.pin(use)
	if err != nil {
		panic(err)
	}
	h.seg.mu.Lock() // also where it was closed: h keeps its mapping
	own := h.seg.holdLocked()
	h.seg.mu.Unlock()
	own.under = under
	use = own.begin()
	for h.under.h != nil {
		h = h.under.h
	}
	if a := h.arena; a != nil && a.opts.Scratch {
		a.mu.Lock()
		a.madeLocked(madeArray{own, use})
		a.mu.Unlock()
	}
	return own, use
}

// end gives back what h kept.
func (h *hold) end() {
	h.watch.end()
	arena, block, under, onEnd, seg := h.arena, h.block, h.under, h.onEnd, h.seg
	h.arena, h.under, h.lent, h.onEnd = nil, Pin{}, false, nil
	use := uint32(h.state.Load()>>stateUse) + 1
	h.state.Store(uint64(use) << stateUse)
	if arena != nil {
		arena.give(block)
	}
	under.Release()
	if onEnd != nil {
		onEnd()
	}
	seg.mu.Lock()
	if !assertions { // there each use has a hold of its own, for the garbage collector to find
		seg.holds = append(seg.holds, h)
	}
	seg.pins--
	seg.unlockAndEnd()
}

// change applies f to the state of h as long as it is still in the given use and
// not released, and ends h with the last reference. It reports whether it was.
func (h *hold) change(use uint32, f func(state uint64) uint64) bool {
	for {
		old := h.state.Load()
		if uint32(old>>stateUse) != use || old&stateReleased != 0 || old&stateRefs == 0 {
			return false
		}
		if state := f(old); h.state.CompareAndSwap(old, state) {
			if state&stateRefs == 0 {
				h.end()
			}
			return true
		}
	}
}

// live reports whether the array of the given use was not released yet.
func (h *hold) live(use uint32) bool {
	s := h.state.Load()
	return uint32(s>>stateUse) == use && s&stateReleased == 0
}

// release ends the array's own reference, and reports whether it was there.
func (h *hold) release(use uint32) bool {
	return h.change(use, func(s uint64) uint64 { return (s | stateReleased) - 1 })
}

// A Pin keeps an array's bytes where they are, past the Release of the array,
// until its own Release. The zero Pin holds nothing. A pool pins the arguments
// of a task until the task is resolved.
type Pin struct {
	h   *hold
	use uint32
}

func (h *hold) pin(use uint32) (Pin, error) {
	if h == nil {
		return Pin{}, nil
	}
	if !h.change(use, func(s uint64) uint64 { return s + 1 }) {
		return Pin{}, fmt.Errorf("shm: array in segment %q: %w", h.seg.name, ErrReleased)
	}
	return Pin{h, use}, nil
}

// Segment returns the segment of the pinned array; nil for an array without elements. It
// may be used until Release.
func (p Pin) Segment() *Segment {
	if p.h == nil {
		return nil
	}
	return p.h.seg
}

// Release ends the pin. Call it once: a second call panics where it can be told.
func (p Pin) Release() {
	if p.h == nil {
		return
	}
	for {
		old := p.h.state.Load()
		if uint32(old>>stateUse) != p.use || old&stateRefs == 0 {
			panic(fmt.Sprintf("shm: pin in segment %q released twice", p.h.seg.name))
		}
		if p.h.state.CompareAndSwap(old, old-1) {
			if (old-1)&stateRefs == 0 {
				p.h.end()
			}
			return
		}
	}
}
