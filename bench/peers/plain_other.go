//go:build !linux

package main

import (
	"errors"
	"fmt"
	"os"
)

var errPlain = fmt.Errorf("shared memory: %w", errors.ErrUnsupported)

func plainFile(int64) (*os.File, error)     { return nil, errPlain }
func mapFile(*os.File, int) ([]byte, error) { return nil, errPlain }
func unmap([]byte) error                    { return errPlain }
