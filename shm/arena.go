package shm

import (
	"errors"
	"fmt"
	"sync"
)

// ArenaOptions says how an arena grows. The zero value and nil work.
type ArenaOptions struct {
	// SegmentBytes is the largest segment the arena grows by: it begins with
	// 1 MiB and doubles. A larger array gets a segment of its own. 0: 64 MiB. It
	// is rounded up to a page.
	SegmentBytes int64
	// MaxBytes bounds the sum of the arena's segments. 0: no bound of its own;
	// /dev/shm, the cgroup and the machine bound it.
	MaxBytes int64
}

const (
	firstSegmentBytes   = 1 << 20
	defaultSegmentBytes = 64 << 20
	blockAlign          = 64 // a cache line; a multiple of every element's alignment
	pageBytes           = 4096
)

// An Arena is warm shared memory from which arrays are made and to which they
// return: blocks are cut from whole segments by moving a mark, and a released
// block is kept for the next array of exactly its size. It never gives memory
// back before Close.
//
// Its methods, and [Make] and its siblings, may be called from several
// goroutines; only the process that made the arena allocates from it.
type Arena struct {
	grow func(bytes int64) (*Segment, error)
	opts ArenaOptions

	mu       sync.Mutex
	segments []*Segment
	used     int64               // bytes cut off the last segment
	next     int64               // size of the next segment, if what is asked for fits
	free     map[int64][]block   // by size
	live     map[place]liveBlock // for checking Refs that come back
	stats    ArenaStats
	closed   bool
}

type place struct {
	seg *Segment
	off int64
}

type block struct {
	place
	size int64
	gen  uint32 // how often it was given out; 0: never, and still zeroed
}

type liveBlock struct {
	gen  uint32
	size int64
	h    *hold
}

// ArenaStats counts bytes.
type ArenaStats struct {
	Segments  int   // segments made
	Mapped    int64 // sum of their sizes
	Live      int64 // in arrays that are not yet back
	Free      int64 // in returned blocks
	HighWater int64 // the largest Live so far
}

// NewArena makes an arena of named segments of this run. It takes no memory
// until the first array is made. The caller ends it with Close.
func (r *Run) NewArena(opts *ArenaOptions) *Arena { return NewArena(r.Create, opts) }

// NewArena makes an arena of the segments that grow makes: at least as large as
// asked for, zeroed, writable here, and the arena's to close. grow is called by
// one goroutine at a time, from within [Make] and its siblings.
func NewArena(grow func(bytes int64) (*Segment, error), opts *ArenaOptions) *Arena {
	a := &Arena{grow: grow, free: map[int64][]block{}, live: map[place]liveBlock{}}
	if opts != nil {
		a.opts = *opts
	}
	if a.opts.SegmentBytes < 0 || a.opts.MaxBytes < 0 {
		panic(fmt.Sprintf("shm: NewArena with negative sizes %+v", a.opts))
	}
	if a.opts.SegmentBytes == 0 {
		a.opts.SegmentBytes = defaultSegmentBytes
	}
	a.next = min(firstSegmentBytes, a.opts.SegmentBytes)
	return a
}

// Make returns a zeroed array of the given shape in a. It never waits: the
// error wraps [ErrFull] where the arena's budget is used up, and is a
// [*SpaceError] where shared memory itself is. The caller ends it with Release.
func Make[T Element](a *Arena, dims ...int) (Array[T], error) {
	arr, recycled, err := alloc[T](a, dims)
	if recycled {
		clear(arr.raw)
	}
	return arr, err
}

// MakeUnzeroed is Make for a caller who overwrites every element: a recycled
// block shows what this program's earlier array left in it.
func MakeUnzeroed[T Element](a *Arena, dims ...int) (Array[T], error) {
	arr, _, err := alloc[T](a, dims)
	return arr, err
}

// PutCopy copies src into a new array of the given shape, or of src's length if
// there is none. This is the one copy of a hand-over whose bytes are not in
// shared memory yet. A shape of another size panics.
func PutCopy[T Element](a *Arena, src []T, dims ...int) (Array[T], error) {
	if len(dims) == 0 {
		dims = []int{len(src)}
	}
	arr, _, err := alloc[T](a, dims)
	if err != nil {
		return arr, err
	}
	if arr.Len() != len(src) {
		arr.Release()
		panic(fmt.Sprintf("shm: PutCopy of %d elements into shape %v", len(src), dims))
	}
	copy(arr.raw, bytesOf(src))
	return arr, nil
}

// Lookup returns the view that ref, of an array of this arena or a part of one,
// names, pinned until its Release. The error wraps [ErrStale] if the block was
// freed or given out again since the Ref was made. It takes time in proportion to
// the arrays in use.
func Lookup[T Element](a *Arena, ref Ref) (View[T], error) {
	if ref.Bytes() == 0 {
		return Bind[T](nil, ref)
	}
	a.mu.Lock()
	b, seg := a.liveLocked(ref)
	a.mu.Unlock()
	if seg == nil {
		return View[T]{}, ref.refuse("no segment of this arena")
	}
	if b == nil {
		return View[T]{}, &RefError{ref.Segment, fmt.Sprintf("generation %d at offset %d is not in use", ref.Generation, ref.Offset), ErrStale}
	}
	block, err := b.pin() // a hold is of one use of the block: this fails if that has ended meanwhile
	if err != nil {
		return View[T]{}, &RefError{ref.Segment, "its array was released", ErrStale}
	}
	v, err := Bind[T](seg, ref)
	if err != nil {
		block.Release()
		return v, err
	}
	v.h.free = block.Release
	return v, nil
}

// liveLocked is the block that ref names all or part of, if it is in use.
func (a *Arena) liveLocked(ref Ref) (*hold, *Segment) {
	for _, s := range a.segments {
		if s.name != ref.Segment {
			continue
		}
		for at, b := range a.live {
			if at.seg == s && b.gen == ref.Generation && at.off <= ref.Offset && ref.Offset+ref.Bytes() <= at.off+b.size {
				return b.h, s
			}
		}
		return nil, s
	}
	return nil, nil
}

// alloc reports whether the block held an earlier array.
func alloc[T Element](a *Arena, dims []int) (arr Array[T], recycled bool, err error) {
	shape, err := ShapeOf(dims...)
	if err != nil {
		return arr, false, err
	}
	ref := Ref{DType: DTypeOf[T](), Shape: shape}
	size, why := shape.bytes(ref.DType.Size())
	if why != "" {
		return arr, false, fmt.Errorf("shm: make %v of %v: %s", ref.DType, dims, why)
	}
	if size == 0 {
		return Array[T]{span[T]{ref: ref}}, false, nil
	}
	b, h, recycled, err := a.take(size)
	if err != nil {
		return arr, false, err
	}
	ref.Segment, ref.Offset, ref.Generation = b.seg.name, b.off, b.gen
	return Array[T]{span[T]{raw: b.seg.mem[b.off : b.off+size : b.off+size], ref: ref, h: h}}, recycled, nil
}

// take cuts or reuses a block for size bytes.
func (a *Arena) take(size int64) (b block, h *hold, recycled bool, err error) {
	if size > 1<<62 {
		return b, nil, false, fmt.Errorf("shm: make %d bytes: %w", size, ErrFull)
	}
	size = roundUp(size, blockAlign)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return b, nil, false, fmt.Errorf("shm: arena %w", ErrClosed)
	}
	if b, err = a.findLocked(size); err != nil {
		return b, nil, false, err
	}
	recycled = b.gen != 0
	b.gen = max(b.gen+1, 1) // 0 again after 2³² uses would read as never used
	if h, err = newHold(b.seg, func() { a.give(b) }); err != nil {
		return b, nil, false, err // the run was closed under the arena: the block is of no use to anyone
	}
	a.live[b.place] = liveBlock{b.gen, b.size, h}
	a.stats.Live += size
	a.stats.HighWater = max(a.stats.HighWater, a.stats.Live)
	return b, h, recycled, nil
}

func (a *Arena) findLocked(size int64) (block, error) {
	if list := a.free[size]; len(list) > 0 {
		b := list[len(list)-1]
		a.free[size] = list[:len(list)-1]
		a.stats.Free -= size
		return b, nil
	}
	if n := len(a.segments); n > 0 && a.segments[n-1].Size()-a.used >= size {
		b := block{place: place{a.segments[n-1], a.used}, size: size}
		a.used += size
		return b, nil
	}
	s, err := a.growLocked(size)
	if err != nil {
		return block{}, err
	}
	// What the last segment has left goes on being used before a new, full one.
	n := len(a.segments)
	if n > 0 && s.Size()-size < a.segments[n-1].Size()-a.used {
		a.segments = append(a.segments[:n-1], s, a.segments[n-1])
		return block{place: place{s, 0}, size: size}, nil
	}
	a.segments = append(a.segments, s)
	a.used = size
	return block{place: place{s, 0}, size: size}, nil
}

// growLocked makes a segment for at least size bytes: as large as the arena's
// pace has it, or as large as needed where that is too much.
func (a *Arena) growLocked(size int64) (*Segment, error) {
	need, want := roundUp(size, pageBytes), roundUp(max(size, a.next), pageBytes)
	if left := a.opts.MaxBytes - a.stats.Mapped; a.opts.MaxBytes > 0 && want > left {
		if need > left {
			return nil, fmt.Errorf("shm: make %d bytes: %w: %d of %d bytes mapped, %d live", size, ErrFull, a.stats.Mapped, a.opts.MaxBytes, a.stats.Live)
		}
		want = need
	}
	s, err := a.grow(want)
	if err != nil && want > need {
		s, err = a.grow(need)
	}
	if err != nil {
		return nil, err
	}
	a.next = min(2*a.next, a.opts.SegmentBytes)
	a.stats.Segments++
	a.stats.Mapped += s.Size()
	return s, nil
}

func (a *Arena) give(b block) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.live, b.place)
	a.free[b.size] = append(a.free[b.size], b)
	a.stats.Live -= b.size
	a.stats.Free += b.size
}

// Reset releases every array that is still in use: their slices are dead. What
// a [Pin] holds stays until the Pin ends.
func (a *Arena) Reset() {
	a.mu.Lock()
	live := make([]*hold, 0, len(a.live))
	for _, b := range a.live {
		live = append(live, b.h)
	}
	a.mu.Unlock()
	for _, h := range live {
		if h.released.CompareAndSwap(false, true) {
			h.drop()
		}
	}
}

// Stats counts what the arena holds now.
func (a *Arena) Stats() ArenaStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.stats
}

// Owns reports whether s is one of the arena's segments.
func (a *Arena) Owns(s *Segment) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, own := range a.segments {
		if own == s {
			return true
		}
	}
	return false
}

// Close closes the arena's segments: those with live arrays are unmapped and
// removed when the last of these is released. Close is safe to call twice.
func (a *Arena) Close() error {
	a.mu.Lock()
	a.closed = true
	segs := a.segments
	a.mu.Unlock()
	var errs []error
	for _, s := range segs {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }
