//go:build !linux

package main

import (
	"errors"
	"fmt"
)

var errAffinity = fmt.Errorf("choosing cores: %w", errors.ErrUnsupported)

func usable() ([]int, error)         { return nil, errAffinity }
func onCore(int, func() error) error { return errAffinity }
func moveTo(int, int) error          { return errAffinity }
