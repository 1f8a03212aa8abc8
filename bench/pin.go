package bench

import (
	"errors"
	"fmt"
	"os"

	"example.com/handoff/bench/internal/cores"
)

// pin puts this process on one core and the peers on another, and says where.
func (s *session) pin() (note string, undo func() error, err error) {
	usable, err := cores.Usable()
	if err != nil {
		return "", nil, fmt.Errorf("bench: pin: %w", err)
	}
	if len(usable) < 2 {
		return "", nil, fmt.Errorf("bench: pin: this process may use %d core, two are needed", len(usable))
	}
	here, there := usable[0], usable[1]
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
