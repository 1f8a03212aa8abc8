package journal

import (
	"errors"
	"fmt"
)

var (
	// ErrNone: the folder, or a journal in it, is not there. Create one.
	ErrNone = errors.New("no journal")
	// ErrExists: the folder holds a journal. Open it, or remove it.
	ErrExists = errors.New("there is a journal already")
	// ErrLocked: what a *LockedError unwraps to.
	ErrLocked = errors.New("journal is in use")
	// ErrDamaged: what a *DamageError unwraps to.
	ErrDamaged = errors.New("journal is damaged")
	// ErrNewer: the journal was written in a later version of the format. Open it with the program that wrote it.
	ErrNewer = errors.New("journal of a newer version")
	// ErrForeign: the file is something else.
	ErrForeign = errors.New("not a journal of handoff")
	// ErrTooLarge: a header or record has more than MaxRecord bytes. The journal goes on without it.
	ErrTooLarge = errors.New("record too large")
	// ErrClosed: the journal was closed or removed.
	ErrClosed = errors.New("journal is closed")
)

// A LockedError says that another process, or another Journal of this one, has the
// journal. It unwraps to [ErrLocked].
type LockedError struct {
	Path string // of the lock file
	PID  int    // of the process that has it; 0 if that is not known
}

func (e *LockedError) Unwrap() error { return ErrLocked }

func (e *LockedError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = fmt.Sprintf("process %d", e.PID)
	}
	return fmt.Sprintf("%q is locked by %s: wait until that has ended, or end it, and try again", e.Path, who)
}

// A DamageError says that a journal has bytes that were never written to it. It
// unwraps to [ErrDamaged]. Nothing in the file was changed. Bring back a copy, or
// remove the folder and begin the job again.
type DamageError struct {
	Path   string
	Record int    // 0 is the header
	Offset int64  // of the record in the file, in bytes
	Reason string // what is wrong there
}

func (e *DamageError) Unwrap() error { return ErrDamaged }

func (e *DamageError) Error() string {
	return fmt.Sprintf("%q is damaged at record %d, offset %d: %s: bring back a copy of it, or remove the folder and begin again", e.Path, e.Record, e.Offset, e.Reason)
}
