package bench

import (
	"errors"
	"fmt"
	"os"

	"example.com/handoff/bench/internal/cores"
)

// A Pin is where a run keeps the two sides of a handoff. On a core of their own each waits for
// an idle core to wake up, which takes tens of microseconds and differs from minute to minute.
// On one core the kernel switches between them, and what is searched is found again.
type Pin string

const (
	PinApart    Pin = "apart"    // this process on one core, the peers on another one
	PinTogether Pin = "together" // all on one core
)

var pins = []Pin{"", PinApart, PinTogether}

// pin does it and says where.
func (s *session) pin(where Pin) (note string, undo func() error, err error) {
	usable, err := cores.Usable()
	if err != nil {
		return "", nil, fmt.Errorf("bench: pin: %w", err)
	}
	here, there := usable[0], usable[0]
	if where == PinApart {
		if len(usable) < 2 {
			return "", nil, fmt.Errorf("bench: pin: this process may use %d core, two are needed", len(usable))
		}
		there = usable[1]
	}
	undo = func() error { return cores.MoveTo(os.Getpid(), usable...) }
	for _, c := range s.carriers {
		if c.pid() != 0 {
			err = errors.Join(err, cores.MoveTo(c.pid(), there))
		}
	}
	if err := errors.Join(err, cores.MoveTo(os.Getpid(), here)); err != nil {
		return "", nil, errors.Join(fmt.Errorf("bench: pin: %w", err), undo())
	}
	return fmt.Sprintf("This process was pinned to core %d and the peers to core %d.", here, there), undo, nil
}
