//go:build !linux

package shm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
)

var errPlatform = fmt.Errorf("shared memory needs Linux, this is %s: %w", runtime.GOOS, errors.ErrUnsupported)

func newLock(string) (*os.File, error) { return nil, errPlatform }

type room struct{}

func createFile(string, int64, *room) (*Segment, error)          { return nil, errPlatform }
func createMemfd(string, int64, Mode, *room) (*Segment, error)   { return nil, errPlatform }
func attachFile(string, int64, Mode) (mapping, error)            { return mapping{}, errPlatform }
func attachMemfd(*os.File, string, int64, Mode) (mapping, error) { return mapping{}, errPlatform }
func unlinkFile(string) error                                    { return errPlatform }
func (mapping) unmap() error                                     { return errPlatform }
func list() ([]RunInfo, error)                                   { return nil, errPlatform }
func stat(string, string) (SegmentStat, error)                   { return SegmentStat{}, errPlatform }
func collect(context.Context) (GCResult, error)                  { return GCResult{}, errPlatform }
func inspect(string) (Machine, error)                            { return Machine{}, errPlatform }
func tryHuge(int64) (int64, error)                               { return 0, errPlatform }
