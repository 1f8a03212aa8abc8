//go:build !linux

package pool

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"example.com/handoff/pool/internal/wire"
)

var errPlatform = fmt.Errorf("pools need Linux, this is %s: %w", runtime.GOOS, errors.ErrUnsupported)

type starter struct{}

type memoryGroup struct{}

func memoryGroupHere() (g memoryGroup)          { return g }
func (memoryGroup) oomKills() (n int64, _ bool) { return 0, false }
func (memoryGroup) sweep()                      {}
func sampleProcess(int) (s sample)              { return s }
func processCPU(int) (cpu time.Duration)        { return 0 }

func newStarter() (*starter, error) { return &starter{}, nil }
func (*starter) stop()              {}

func (p *Pool) launch(int) (process, transport, *lane, wire.Hello, error) {
	return nil, nil, nil, wire.Hello{}, errPlatform
}

func isShortage(error) bool { return false }

func runWorker(string) error { return errPlatform }

type cpuClock struct{}

func threadClock() (c cpuClock)          { return c }
func (cpuClock) time() (d time.Duration) { return d }
func (cpuClock) private() (n int64)      { return n }

func closeFD(fd int) {
	if fd >= 0 {
		os.NewFile(uintptr(fd), "").Close()
	}
}
