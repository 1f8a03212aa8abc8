package shm

import (
	"cmp"
	"math/bits"
	"slices"
)

// blockAlign is where blocks begin: a cache line, and a multiple of every
// element's alignment.
const blockAlign = 64

// An extent is a stretch of a slab, in bytes.
type extent struct {
	slab      *slab
	off, size int64
}

// sizeClass rounds a block's size up so that blocks of nearly the same size can
// take each other's place: to four steps per doubling below 64 KiB, to whole
// pages above.
func sizeClass(size int64) int64 {
	switch {
	case size >= 64<<10:
		return roundUp(size, pageBytes)
	case size <= 4*blockAlign:
		return roundUp(size, blockAlign)
	}
	return roundUp(size, 1<<(bits.Len64(uint64(size-1))-3))
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// space is the free memory of an arena. A block that comes back waits in the bin
// of its class for the next of that class. What is cut to size comes from the
// smallest extent that is large enough; when none is, what waits in the bins is
// merged with its neighbours first. Nothing of this is stored in shared memory.
type space struct {
	bins    map[int64][]extent // by class
	binned  int64              // bytes in bins
	extents []extent           // sorted by size; neighbours are merged but for what came after the last merge
}

func newSpace() space { return space{bins: map[int64][]extent{}} }

// take returns an extent of exactly class bytes, or of size 0.
func (s *space) take(class int64) extent {
	if bin := s.bins[class]; len(bin) > 0 {
		i := len(bin) - 1
		if assertions { // the one that was freed first: what is used after its release shows longer
			i = 0
		}
		e := bin[i]
		s.bins[class] = slices.Delete(bin, i, i+1)
		s.binned -= class
		return e
	}
	if e := s.cut(class); e.size > 0 || s.binned == 0 {
		return e
	}
	s.merge()
	return s.cut(class)
}

func (s *space) cut(class int64) extent {
	i, _ := slices.BinarySearchFunc(s.extents, class, func(e extent, class int64) int { return cmp.Compare(e.size, class) })
	if i == len(s.extents) {
		return extent{}
	}
	e := s.extents[i]
	s.extents = slices.Delete(s.extents, i, i+1)
	if e.size > class {
		s.add(extent{e.slab, e.off + class, e.size - class})
		e.size = class
	}
	return e
}

// add makes an extent of any size available.
func (s *space) add(e extent) {
	i, _ := slices.BinarySearchFunc(s.extents, e.size, func(o extent, size int64) int { return cmp.Compare(o.size, size) })
	s.extents = slices.Insert(s.extents, i, e)
}

// free takes back what take returned.
func (s *space) free(e extent) {
	s.bins[e.size] = append(s.bins[e.size], e)
	s.binned += e.size
}

// merge empties the bins and joins all that lies side by side.
func (s *space) merge() {
	for _, bin := range s.bins {
		s.extents = append(s.extents, bin...)
	}
	clear(s.bins)
	s.binned = 0
	slices.SortFunc(s.extents, func(a, b extent) int {
		if a.slab != b.slab {
			return cmp.Compare(a.slab.seg.name, b.slab.seg.name)
		}
		return cmp.Compare(a.off, b.off)
	})
	merged := s.extents[:0]
	for _, e := range s.extents {
		if n := len(merged); n > 0 && merged[n-1].slab == e.slab && merged[n-1].off+merged[n-1].size == e.off {
			merged[n-1].size += e.size
			continue
		}
		merged = append(merged, e)
	}
	clear(s.extents[len(merged):])
	s.extents = merged
	slices.SortFunc(s.extents, func(a, b extent) int { return cmp.Compare(a.size, b.size) })
}

// remove forgets the free memory of slabs that go.
func (s *space) remove(gone func(*slab) bool) {
	drop := func(e extent) bool { return gone(e.slab) }
	s.extents = slices.DeleteFunc(s.extents, drop)
	for class, bin := range s.bins {
		bin = slices.DeleteFunc(bin, drop)
		s.bins[class] = bin
	}
	s.binned = 0
	for class, bin := range s.bins {
		s.binned += class * int64(len(bin))
	}
}
