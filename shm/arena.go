package shm

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
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
	// Scratch says that arrays are ended by Reset and need no Release: the
	// assertion build reports none of them as lost.
	Scratch bool
}

const (
	firstSegmentBytes   = 1 << 20
	defaultSegmentBytes = 64 << 20
	pageBytes           = 4096
)

// An Arena is warm shared memory from which arrays are made and to which they
// return. It grows by whole segments and keeps them: a released block is given
// out again without a system call or a page fault. Segments without an array in
// use are given back only where the budget or /dev/shm has no room for another
// one otherwise, and by Close.
//
// Its methods, and [Make] and its siblings, may be called from several
// goroutines; only the process that made the arena allocates from it.
type Arena struct {
	grow   func(bytes int64) (*Segment, error)
	opts   ArenaOptions
	copied atomic.Int64

	growing sync.Mutex // held while a segment is made; taken before mu

	mu        sync.Mutex
	slabs     []*slab // by address
	space     space
	live      map[blockID]liveBlock // in use
	next      int64                 // size of the next segment, if what is asked for fits
	liveBytes int64
	highWater int64
	waiters   waiters
	closed    bool
	indexed   bool        // the slabs have starts
	made      []madeArray // since the last Reset, if that is to end them
}

// A slab is one segment of an arena.
type slab struct {
	seg  *Segment
	gen  uint32 // of the block given out last
	used int64  // bytes from the start that were given out at least once: the rest is still zeroed
	live int    // blocks in use

	starts *starts // of these, once the arena is indexed
}

// A blockID names a block by its first byte.
type blockID struct {
	slab *slab
	off  int64
}

type liveBlock struct {
	gen  uint32
	use  uint32
	hold holdRef
}

// A madeArray is an array that Reset is to end, if it was not released by then.
type madeArray struct {
	h   *hold
	use uint32
}

// ArenaStats counts bytes, but for Segments.
type ArenaStats struct {
	Segments  int   // segments the arena has
	Mapped    int64 // sum of their sizes
	Live      int64 // of Mapped: in arrays that are not yet back
	Free      int64 // of Mapped: the rest
	HighWater int64 // the largest Live so far
	Huge      int64 // of Mapped: on huge pages when the segments were made
	Copied    int64 // into arrays so far: by PutCopy, and what CountCopied was told of
}

// NewArena makes an arena of named segments of this run. It takes no memory
// until the first array is made. The caller ends it with Close.
func (r *Run) NewArena(opts *ArenaOptions) *Arena { return NewArena(r.Create, opts) }

// NewArena makes an arena of the segments that grow makes: at least as large as
// asked for, zeroed, writable here, and the arena's to close. grow is called by
// one goroutine at a time, from within [Make] and its siblings; an error of it
// that wraps [ErrFull], and not [ErrTooLarge], is one that [MakeWait] waits over. Negative
// options are the error of each Make.
func NewArena(grow func(bytes int64) (*Segment, error), opts *ArenaOptions) *Arena {
	a := &Arena{grow: grow, space: newSpace(), live: map[blockID]liveBlock{}}
	if opts != nil {
		a.opts = *opts
	}
	if a.opts.SegmentBytes < 0 || a.opts.MaxBytes < 0 {
		bad := fmt.Errorf("shm: NewArena with negative sizes %+v", a.opts)
		a.opts, a.grow = ArenaOptions{}, func(int64) (*Segment, error) { return nil, bad }
	}
	if a.opts.SegmentBytes == 0 {
		a.opts.SegmentBytes = defaultSegmentBytes
	}
	a.next = min(firstSegmentBytes, a.opts.SegmentBytes)
	return a
}

// take cuts or reuses a block of at least size bytes (> 0), of which the first
// dirty bytes may hold an earlier array.
func (a *Arena) take(size int64) (b extent, gen uint32, h *hold, use uint32, dirty int64, err error) {
	if size > 1<<62 {
		err = fmt.Errorf("shm: make %d bytes: %w", size, ErrTooLarge)
		return
	}
	class := sizeClass(size)
	a.mu.Lock()
	b, err = a.findLocked(class)
	if err == nil && b.size == 0 {
		a.mu.Unlock()
		a.growing.Lock()
		defer a.growing.Unlock()
		a.mu.Lock()
		for {
			if b, err = a.findLocked(class); err != nil || b.size > 0 { // another goroutine may have made room
				break
			}
			a.mu.Unlock()
			err = a.growBy(class)
			a.mu.Lock()
			if err != nil { // who was asked for more may have given up something instead
				if made, _ := a.findLocked(class); made.size > 0 {
					b, err = made, nil
				}
				break
			}
		}
	}
	defer a.mu.Unlock()
	if err != nil {
		return
	}
	s := b.slab
	dirty = min(max(s.used-b.off, 0), b.size)
	heal(b, dirty)
	if h, use, err = newHold(s.seg); err != nil { // the run was closed under the arena: the block is of no use to anyone
		return
	}
	h.arena, h.block = a, b
	if s.gen++; s.gen == 0 { // 0 is for what is in no arena
		s.gen = 1
	}
	gen = s.gen
	s.used = max(s.used, b.off+b.size)
	s.live++
	if s.starts != nil {
		s.starts.set(b.off)
	}
	a.live[blockID{s, b.off}] = liveBlock{gen, use, refTo(h, a.opts.Scratch)}
	if a.opts.Scratch {
		a.madeLocked(madeArray{h, use})
	}
	a.liveBytes += b.size
	a.highWater = max(a.highWater, a.liveBytes)
	return
}

// findLocked returns an extent of size 0 where there is no room.
func (a *Arena) findLocked(class int64) (extent, error) {
	if a.closed {
		return extent{}, fmt.Errorf("shm: arena %w", ErrClosed)
	}
	return a.space.take(class), nil
}

// growBy adds a segment for at least class bytes: as large as the arena's pace
// has it, or as large as needed where that is too much. It is called with
// a.growing held, and without a.mu: grow may wait for another process.
func (a *Arena) growBy(class int64) error {
	a.mu.Lock()
	mapped, live := a.mappedLocked(), a.liveBytes
	need, want := roundUp(class, pageBytes), roundUp(max(class, a.next), pageBytes)
	a.mu.Unlock()

	most := a.opts.MaxBytes
	if most > 0 && need > most {
		return fmt.Errorf("shm: make %d bytes: %w: %d bytes", class, ErrTooLarge, most)
	}
	if most > 0 && need > most-mapped {
		mapped -= a.Trim()
		if need > most-mapped {
			return fmt.Errorf("shm: make %d bytes: %w: %d of %d bytes mapped, %d live", class, ErrFull, mapped, most, live)
		}
	}
	if most > 0 && want > most-mapped {
		want = need
	}
	s, err := a.grow(want)
	if err != nil && want > need {
		s, err = a.grow(need)
	}
	if err != nil && a.Trim() > 0 {
		s, err = a.grow(need)
	}
	if err != nil {
		return err
	}

	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return errors.Join(fmt.Errorf("shm: arena %w", ErrClosed), s.Close())
	}
	defer a.mu.Unlock()
	a.next = min(2*a.next, a.opts.SegmentBytes)
	sl := &slab{seg: s}
	if a.indexed {
		sl.starts = newStarts(s.Size())
	}
	a.slabs = slices.Insert(a.slabs, a.slabAfter(address(s.mem)), sl)
	a.space.add(extent{sl, 0, s.Size()})
	return nil
}

// Trim gives back the segments that hold no array in use, and returns the sum of
// their sizes. The arena does so by itself where it could not grow otherwise.
func (a *Arena) Trim() (bytes int64) {
	var idle []*slab
	a.mu.Lock()
	kept := a.slabs[:0]
	for _, s := range a.slabs {
		if s.live > 0 {
			kept = append(kept, s)
			continue
		}
		idle = append(idle, s)
		bytes += s.seg.Size()
	}
	clear(a.slabs[len(kept):])
	a.slabs = kept
	if len(idle) > 0 {
		a.space.remove(func(s *slab) bool { return s.live == 0 })
	}
	a.mu.Unlock()
	for _, s := range idle { // without a.mu: the end of a segment runs its hooks
		s.seg.Close()
	}
	return bytes
}

// give takes back a block whose last reference ended.
func (a *Arena) give(b extent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.giveLocked(b)
}

func (a *Arena) giveLocked(b extent) {
	delete(a.live, blockID{b.slab, b.off})
	if b.slab.starts != nil {
		b.slab.starts.clear(b.off)
	}
	if !a.closed { // or nobody gets the block after this
		poison(b)
	}
	b.slab.live--
	a.liveBytes -= b.size
	a.space.free(b)
	a.waiters.wake()
}

// madeLocked notes an array for Reset. Those that were released meanwhile are
// forgotten once they are more than what is in use.
func (a *Arena) madeLocked(m madeArray) {
	if len(a.made) == cap(a.made) && len(a.made) > 2*len(a.live)+64 {
		a.made = slices.DeleteFunc(a.made, func(m madeArray) bool { return !m.h.live(m.use) })
	}
	a.made = append(a.made, m)
}

// Reset releases every array that is still in use: their slices are dead. What
// a [Pin] holds stays until the Pin ends. In an arena with [ArenaOptions].Scratch it
// takes time in proportion to the arrays that were made since the last Reset.
func (a *Arena) Reset() {
	if a.opts.Scratch {
		a.mu.Lock()
		made := a.made
		a.made = nil
		a.mu.Unlock()
		for _, m := range made {
			m.h.release(m.use)
		}
		return
	}
	a.mu.Lock()
	live := make(map[blockID]liveBlock, len(a.live))
	for id, b := range a.live {
		live[id] = b
	}
	a.mu.Unlock()
	for id, b := range live {
		if h := b.hold.get(); h != nil {
			h.release(b.use)
			continue
		}
		a.mu.Lock() // assertion build: lost, and reported; or released meanwhile
		now, lost := a.live[id]
		if lost = lost && now.gen == b.gen; lost {
			a.giveLocked(extent{id.slab, id.off, b.hold.size()})
		}
		a.mu.Unlock()
		if lost {
			id.slab.seg.unpin()
		}
	}
}

// Stats counts what the arena holds now.
func (a *Arena) Stats() ArenaStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	mapped := a.mappedLocked()
	s := ArenaStats{Segments: len(a.slabs), Mapped: mapped, Live: a.liveBytes, Free: mapped - a.liveBytes, HighWater: a.highWater, Copied: a.copied.Load()}
	for _, sl := range a.slabs {
		s.Huge += sl.seg.Huge()
	}
	return s
}

// CountCopied adds to [ArenaStats].Copied what its caller has copied into arrays of a:
// bytes that lay elsewhere, or were read there. [PutCopy] counts itself.
func (a *Arena) CountCopied(bytes int64) { a.copied.Add(bytes) }

func (a *Arena) mappedLocked() (bytes int64) {
	for _, s := range a.slabs {
		bytes += s.seg.Size()
	}
	return bytes
}

// Owns reports whether s is one of the arena's segments.
func (a *Arena) Owns(s *Segment) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, own := range a.slabs {
		if own.seg == s {
			return true
		}
	}
	return false
}

// Close closes the arena's segments: those with live arrays are unmapped and
// removed when the last of these is released. Whoever waits in [MakeWait] gets
// an error that wraps [ErrClosed]. Close is safe to call twice.
func (a *Arena) Close() error {
	a.mu.Lock()
	a.closed = true
	slabs := a.slabs
	a.waiters.wakeAll()
	a.mu.Unlock()
	var errs []error
	for _, s := range slabs {
		errs = append(errs, s.seg.Close())
	}
	return errors.Join(errs...)
}
