package shm

import (
	"errors"
	"fmt"
	"sync"
)

// A Mode says what an attaching process may do with the bytes.
type Mode int

const (
	ReadOnly  Mode = iota // a store faults
	ReadWrite             // stores are seen by every process that has the segment mapped
)

// A Segment is a named shared-memory object mapped into this process: made by
// [Run.Create], which makes this process its owner, or found by [Attach].
//
// Its methods may be called from several goroutines. Other processes attach by
// name; only the owner's Close (or [GC], after its death) removes the name.
type Segment struct {
	name     string
	mem      []byte // exactly what mmap returned
	writable bool
	run      *Run  // nil where attached
	huge     int64 // bytes of it on huge pages

	mu      sync.Mutex
	pins    int
	holds   []*hold // to be used again
	closed  bool
	gone    bool // unmapped
	onUnmap []func()
}

// Attach maps the segment called name, which must hold at least minBytes. It
// must be a regular file of this user that nobody else can open, or the error
// wraps [ErrForeign]; a missing one is [io/fs.ErrNotExist]. Bytes that another
// program only sized and never reserved are reserved first. The caller ends it
// with Close, which leaves the name alone; so does a failed Attach.
func Attach(name string, minBytes int64, mode Mode) (*Segment, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	mem, err := attachFile(name, minBytes, mode)
	if err != nil {
		return nil, fmt.Errorf("shm: attach %q: %w", name, err)
	}
	return &Segment{name: name, mem: mem, writable: mode == ReadWrite}, nil
}

// Name is the file's name below /dev/shm.
func (s *Segment) Name() string { return s.name }

// Size is the mapped size in bytes.
func (s *Segment) Size() int64 { return int64(len(s.mem)) }

// Huge is how many of its bytes lay on huge pages when it was made.
func (s *Segment) Huge() int64 { return s.huge }

// Pin keeps the mapping until the Pin is released. The error wraps [ErrClosed].
func (s *Segment) Pin() (Pin, error) {
	h, use, err := newHold(s)
	return Pin{h, use}, err
}

// Writable reports whether this process may store to it.
func (s *Segment) Writable() bool { return s.writable }

// Close gives the segment up. It is unmapped, and removed if this process owns
// it, when the last array or view over it is released: at once if there is
// none. No new ones can be made. Close is safe to call twice.
func (s *Segment) Close() error {
	s.mu.Lock()
	s.closed = true
	return s.endLocked()
}

// OnUnmap arranges for f to be called once, right after the segment was
// unmapped here; at once if it is already. A pool uses it to let its workers
// unmap the segment too.
func (s *Segment) OnUnmap(f func()) {
	s.mu.Lock()
	if !s.gone {
		s.onUnmap = append(s.onUnmap, f)
		f = nil
	}
	s.mu.Unlock()
	if f != nil {
		f()
	}
}

// unpin ends a pin whose hold is lost.
func (s *Segment) unpin() {
	s.mu.Lock()
	s.pins--
	s.endLocked()
}

// endLocked unmaps a closed segment without pins, and unlocks s.mu.
func (s *Segment) endLocked() error {
	if !s.closed || s.pins > 0 || s.gone {
		s.mu.Unlock()
		return nil
	}
	s.gone = true
	after := s.onUnmap
	s.onUnmap = nil
	s.mu.Unlock()

	var unlinked error
	if s.run != nil {
		unlinked = s.run.unlink(s)
	}
	err := errors.Join(unlinked, unmap(s.mem))
	for _, f := range after {
		f()
	}
	return err
}
