//go:build !linux

package bench

import (
	"errors"
	"fmt"
	"runtime"
)

var errPlatform = fmt.Errorf("named pipes need Linux, this is %s: %w", runtime.GOOS, errors.ErrUnsupported)

func listenFIFO(string) (listener, error) { return nil, errPlatform }
func dialFIFO(string) (conn, error)       { return nil, errPlatform }
