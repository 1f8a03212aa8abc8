package pool

import (
	"errors"

	"golang.org/x/sys/unix"
)

// isShortage reports whether an error is for want of descriptors, mappings or memory.
func isShortage(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}
