package shm

import "sort"

// find returns the segment of ref and the block in use that ref names all or
// part of, or the zero block.
func (a *Arena) find(ref Ref) (liveBlock, *Segment) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.slabs {
		if s.seg.name != ref.Segment {
			continue
		}
		if b, ok := a.blockLocked(s, ref.Offset, ref.Bytes()); ok && b.gen == ref.Generation {
			return b, s.seg
		}
		return liveBlock{}, s.seg
	}
	return liveBlock{}, nil
}

// Find is b, all or part of the Data of an array of a that was not released, as a view
// that can be named in other processes. It borrows the array's pin: it is dead once
// the array was released and has no Release of its own. false: b has no elements or
// lies elsewhere.
func (a *Arena) Find(b []byte) (View[byte], bool) {
	if len(b) == 0 {
		return View[byte]{}, false
	}
	at := address(b)
	a.mu.Lock()
	defer a.mu.Unlock()
	i := a.slabAfter(at) - 1
	if i < 0 {
		return View[byte]{}, false
	}
	s := a.slabs[i]
	off, n := int64(at-address(s.seg.mem)), int64(len(b))
	block, ok := a.blockLocked(s, off, n)
	if !ok {
		return View[byte]{}, false
	}
	h := block.hold.get()
	if h == nil || !h.live(block.use) {
		return View[byte]{}, false
	}
	shape, err := ShapeOf(len(b))
	if err != nil {
		return View[byte]{}, false
	}
	ref := Ref{Segment: s.seg.name, Offset: off, Generation: block.gen, DType: Uint8, Shape: shape}
	return View[byte]{span[byte]{raw: s.seg.mem[off : off+n : off+n], ref: ref, h: h, use: block.use}}, true
}

// blockLocked is the block in use that the n bytes at off of a slab lie in.
func (a *Arena) blockLocked(s *slab, off, n int64) (b liveBlock, ok bool) {
	if off < 0 || off >= s.seg.Size() {
		return b, false
	}
	if b, ok = a.live[blockID{s, off}]; ok { // as most are
		return b, n <= b.hold.size()
	}
	a.indexLocked()
	start, ok := s.starts.before(off)
	if !ok {
		return b, false
	}
	b, ok = a.live[blockID{s, start}]
	return b, ok && n <= b.hold.size()-(off-start)
}

// indexLocked notes where the blocks in use begin, from the first time on that a part of
// one is looked for: programs that only hand whole arrays over need not pay for it.
func (a *Arena) indexLocked() {
	if a.indexed {
		return
	}
	a.indexed = true
	for _, s := range a.slabs {
		s.starts = newStarts(s.seg.Size())
	}
	for id := range a.live {
		id.slab.starts.set(id.off)
	}
}

// slabAfter is the first slab that begins behind an address.
func (a *Arena) slabAfter(at uintptr) int {
	return sort.Search(len(a.slabs), func(i int) bool { return address(a.slabs[i].seg.mem) > at })
}
