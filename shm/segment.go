package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// A Mode says what an attaching process may do with the bytes.
type Mode int

const (
	ReadOnly  Mode = iota // a store faults
	ReadWrite             // stores are seen by every process that has the segment mapped
)

// A Segment is a shared-memory object mapped into this process: made by
// [Run.Create] or [Run.CreateAnonymous], which make this process its owner, or
// found by [Attach] or [AttachFile].
//
// Its methods may be called from several goroutines. Other processes attach to
// a named one by name; only the owner's Close (or [GC], after its death) removes
// the name. They attach to an anonymous one by its descriptor, and the kernel
// frees it when the last process that has it is done with it or dead.
type Segment struct {
	name string
	mapping
	writable  bool
	anonymous bool
	file      *os.File // of an anonymous segment's owner
	run       *Run     // nil where attached
	huge      int64    // bytes of it on huge pages

	mu      sync.Mutex
	pins    int
	holds   []*hold // to be used again
	closed  bool
	gone    bool // unmapped
	onUnmap []func()
}

// A mapping is memory of a segment and how to give it back.
type mapping struct {
	mem     []byte // exactly what was mapped
	aligned bool   // by mapAligned
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
	m, err := attachFile(name, minBytes, mode)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w (an anonymous segment is passed by its descriptor, not by name)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("shm: attach %q: %w", name, err)
	}
	return &Segment{name: name, mapping: m, writable: mode == ReadWrite}, nil
}

// AttachFile maps the anonymous segment behind f, a descriptor that its owner
// passed on ([Segment.File]), under the name that its Refs carry. It must be a
// memfd of at least minBytes bytes that no process can shrink, grow or unseal,
// and for ReadWrite one that may be written, or the error wraps [ErrForeign].
// Bytes that nobody has reserved are reserved first. f stays the caller's, who
// may close it at once. The caller ends the segment with Close.
func AttachFile(f *os.File, name string, minBytes int64, mode Mode) (*Segment, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	m, err := attachMemfd(f, name, minBytes, mode)
	if err != nil {
		return nil, fmt.Errorf("shm: attach %q: %w", name, err)
	}
	return &Segment{name: name, mapping: m, writable: mode == ReadWrite, anonymous: true}, nil
}

// Name is the segment's name in Refs. A named segment's file is /dev/shm/Name.
func (s *Segment) Name() string { return s.name }

// Size is the mapped size in bytes.
func (s *Segment) Size() int64 { return int64(len(s.mem)) }

// Anonymous reports whether it is a memfd, without a file in /dev/shm.
func (s *Segment) Anonymous() bool { return s.anonymous }

// File is the descriptor of an anonymous segment, in the process that made it:
// to be passed to another process, over a socket or as an ExtraFile of a
// command, for [AttachFile]. It is nil otherwise. It stays the segment's and is
// closed when the segment is unmapped.
func (s *Segment) File() *os.File { return s.file }

// Huge is how many of its bytes lay on huge pages when it was made; 0 where it
// was attached.
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
	return s.unlockAndEnd()
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
	s.unlockAndEnd()
}

// unlockAndEnd unlocks s.mu, and unmaps a closed segment without pins.
func (s *Segment) unlockAndEnd() error {
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
	err := errors.Join(unlinked, s.unmap())
	for _, f := range after {
		f()
	}
	return err
}

// unmap also closes an owner's descriptor.
func (s *Segment) unmap() error {
	err := s.mapping.unmap()
	if s.file != nil {
		err = errors.Join(err, s.file.Close())
	}
	return err
}

// unlink removes the name, if it is one of a file.
func (s *Segment) unlink() error {
	if s.anonymous {
		return nil
	}
	return unlinkFile(s.name)
}
