//go:build !linux

package proc

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
)

// ErrPlatform: there are no children but on Linux.
var ErrPlatform = fmt.Errorf("pools need Linux, this is %s: %w", runtime.GOOS, errors.ErrUnsupported)

type Child struct{ Process }

func (*Child) MemoryMechanism() (string, error) { return "", nil }

type Starter struct{}

func NewStarter() (*Starter, error)                 { return nil, ErrPlatform }
func (*Starter) Stop()                              {}
func (*Starter) Start(Config) (*Child, Link, error) { return nil, nil, ErrPlatform }

func BuildID() (id [16]byte, err error) { return id, ErrPlatform }
func CPUOf(int) time.Duration           { return 0 }
func Look(int) (s Sample)               { return s }
func IsShortage(error) bool             { return false }
func Remedy(err error) error            { return err }

type Clock struct{}

func ThreadClock() (c Clock)          { return c }
func (Clock) Time() (d time.Duration) { return d }
func (Clock) Private() (n int64)      { return n }

func CloseFD(fd int) {
	if fd >= 0 {
		os.NewFile(uintptr(fd), "").Close()
	}
}
