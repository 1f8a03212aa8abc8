//go:build !linux

package chaos

import (
	"errors"
	"fmt"
	"runtime"
)

var errPlatform = fmt.Errorf("faults need Linux, this is %s: %w", runtime.GOOS, errors.ErrUnsupported)

func supported() error { return errPlatform }

type victim struct{}

func openVictim(_, _ int) (victim, error) { return victim{}, errPlatform }
func (victim) dead() bool                 { return true }
func (victim) deal(Fault) error           { return errPlatform }
func (victim) resume()                    {}
func (victim) close()                     {}

func writeGarbage() error         { return errPlatform }
func memoryLimit() (int64, error) { return 0, errPlatform }
