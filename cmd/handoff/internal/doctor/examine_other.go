//go:build !linux

package doctor

import (
	"errors"
	"fmt"
	"runtime"
)

func Examine() ([]Check, error) {
	return nil, fmt.Errorf("doctor needs Linux, this is %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
