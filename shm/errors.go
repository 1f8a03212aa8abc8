package shm

import (
	"errors"
	"fmt"
)

var (
	// ErrName: a segment name breaks the grammar of [CheckName]. Retrying does not help.
	ErrName = errors.New("not a valid segment name")
	// ErrClosed: the segment, arena or run was closed. Retrying does not help.
	ErrClosed = errors.New("closed")
	// ErrFull: the arena has no room left within its byte budget. Retry after releasing arrays.
	ErrFull = errors.New("arena is full")
	// ErrTooLarge: the array is larger than the arena's whole budget. It is an ErrFull too, but retrying does not help.
	ErrTooLarge = fmt.Errorf("%w for this array, also when it is empty", ErrFull)
	// ErrReleased: the array or view was released before this use. A mistake of the caller.
	ErrReleased = errors.New("used after Release")
	// ErrStale: the Ref names a block that has been freed or given out again. Ask its owner for a new Ref.
	ErrStale = errors.New("stale generation")
	// ErrForeign: the file behind the name is not what a segment must be (regular, ours, private, large enough).
	ErrForeign = errors.New("not a usable segment")
)

// A RefError says why a Ref was refused. It unwraps to ErrStale where the
// generation was the reason.
type RefError struct {
	Segment string // segment name, as the Ref gave it
	Reason  string // what was found and what was expected
	Err     error  // nil or a sentinel
}

func (e *RefError) Error() string { return fmt.Sprintf("shm: ref to %q: %s", e.Segment, e.Reason) }

func (e *RefError) Unwrap() error { return e.Err }

// A SpaceError says that shared memory is too small for what was asked. It
// unwraps to the errno (ENOSPC for /dev/shm, a cgroup or the machine, ENOMEM
// for address space), also when the request was refused before the kernel saw it.
type SpaceError struct {
	Name   string // segment name
	Asked  int64  // bytes
	Free   int64  // bytes, at the time of the check
	Where  string // the mount or limit that is too small
	Remedy string // what the user can do
	Err    error
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("shm: reserve %q: asked for %d bytes, %d free in %s: %v; %s",
		e.Name, e.Asked, e.Free, e.Where, e.Err, e.Remedy)
}

func (e *SpaceError) Unwrap() error { return e.Err }
