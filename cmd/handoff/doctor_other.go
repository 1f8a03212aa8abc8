//go:build !linux

package main

import (
	"errors"
	"fmt"
	"runtime"
)

func examine(string) ([]check, error) {
	return nil, fmt.Errorf("doctor needs Linux, this is %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
