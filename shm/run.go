package shm

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// A Run is one life of one program: it names and owns the segments the program
// makes, and while it lives the kernel holds a lock for it that tells [GC] in
// any process to leave them alone. A program needs one Run; a pool makes its own.
//
// Its methods may be called from several goroutines. It is of no use in
// another process: a child gets names, not the Run.
type Run struct {
	id   string
	lock *os.File // flocked; never mapped, never inherited
	room room

	mu       sync.Mutex
	next     uint64
	segments map[string]*Segment // made and not yet unlinked
	closed   bool
}

// NewRun takes the lock and returns a Run without segments. The caller ends it
// with Close.
func NewRun() (*Run, error) {
	id := newRunID()
	lock, err := newLock(lockName(id))
	if err != nil {
		return nil, fmt.Errorf("shm: start a run: %w", err)
	}
	return &Run{id: id, lock: lock, segments: map[string]*Segment{}}, nil
}

// ID is the run's id: 24 hexadecimal digits, in the name of each of its files.
func (r *Run) ID() string { return r.id }

// Create makes a segment of size bytes (> 0), zeroed, readable and writable
// here, private to this user, its space reserved: storing to it cannot fail
// later. The error is a [*SpaceError] where there is not enough room. The
// segment is removed by its Close, or by the Run's.
func (r *Run) Create(size int64) (*Segment, error) {
	return r.create(func(name string) (*Segment, error) { return createFile(name, size, &r.room) })
}

// CreateAnonymous is Create for a segment without a file: a memfd, which other
// processes attach to through its descriptor ([Segment.File], [AttachFile]). No
// process can truncate it, and where peers is ReadOnly none but this one can
// write to it or free parts of it. It takes the machine's memory and the
// cgroup's, not that of /dev/shm, and leaves nothing behind: not even after a
// SIGKILL of all that have it.
func (r *Run) CreateAnonymous(size int64, peers Mode) (*Segment, error) {
	return r.create(func(name string) (*Segment, error) { return createMemfd(name, size, peers, &r.room) })
}

func (r *Run) create(make func(name string) (*Segment, error)) (*Segment, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, fmt.Errorf("shm: create: run %w", ErrClosed)
	}
	r.next++
	name := segmentName(r.id, r.next)
	r.mu.Unlock()

	s, err := make(name)
	if err != nil {
		return nil, err
	}
	s.run = r

	r.mu.Lock()
	closed := r.closed
	if !closed {
		r.segments[name] = s
	}
	r.mu.Unlock()
	if closed {
		return nil, errors.Join(fmt.Errorf("shm: create: run %w", ErrClosed), s.unlink(), s.unmap())
	}
	return s, nil
}

// Close removes every file of the run, the lock last, and closes its segments:
// memory that is still pinned stays mapped until its Release, but other
// processes can no longer attach to it. Close is safe to call twice.
func (r *Run) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	segs := make([]*Segment, 0, len(r.segments))
	for _, s := range r.segments {
		segs = append(segs, s)
	}
	r.mu.Unlock()

	var errs []error
	for _, s := range segs {
		errs = append(errs, s.Close(), r.unlink(s))
	}
	errs = append(errs, unlinkFile(lockName(r.id)), r.lock.Close())
	return errors.Join(errs...)
}

// unlink removes the segment's name, once.
func (r *Run) unlink(s *Segment) error {
	r.mu.Lock()
	_, ours := r.segments[s.name]
	delete(r.segments, s.name)
	r.mu.Unlock()
	if !ours {
		return nil
	}
	return s.unlink()
}
