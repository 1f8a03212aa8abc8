//go:build !linux

package cores

import (
	"errors"
	"fmt"
)

var errAffinity = fmt.Errorf("choosing cores: %w", errors.ErrUnsupported)

func Usable() ([]int, error)     { return nil, errAffinity }
func On(int, func() error) error { return errAffinity }
func MoveTo(int, ...int) error   { return errAffinity }
