package arrowipc

import (
	"errors"
	"fmt"
)

var (
	// ErrNotShared: a buffer of the array does not lie in the allocator's arena.
	// CopyArray brings it there.
	ErrNotShared = errors.New("buffer is not in the arena")
	// ErrCorrupt: the array's length, offset or buffers contradict each other.
	// Retrying does not help.
	ErrCorrupt = errors.New("inconsistent array")
	// ErrType: the array does not hold the elements asked for.
	ErrType = errors.New("wrong element type")
)

// An AllocError is what Allocate and Reallocate panic with, because Arrow's
// interface gives them no error to return. It unwraps to the arena's reason:
// [shm.ErrFull] or a [*shm.SpaceError]; releasing arrays and retrying helps then.
type AllocError struct {
	Bytes int // asked for
	Err   error
}

func (e *AllocError) Error() string {
	return fmt.Sprintf("arrowipc: allocate %d bytes: %v", e.Bytes, e.Err)
}

func (e *AllocError) Unwrap() error { return e.Err }
