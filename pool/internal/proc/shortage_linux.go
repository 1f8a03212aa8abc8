package proc

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// IsShortage reports whether an error is for want of descriptors, mappings or memory.
func IsShortage(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

// Remedy adds what the user can do where a limit of this process was hit.
func Remedy(err error) error {
	switch {
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf("%w: use fewer workers or raise ulimit -n", err)
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("%w: use fewer workers or raise ulimit -u", err)
	}
	return err
}
