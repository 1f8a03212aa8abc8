//go:build !linux

package codec

import "errors"

func mapSpine(int) ([]byte, error)                     { return nil, errors.ErrUnsupported }
func protectSpine([]byte) error                        { return errors.ErrUnsupported }
func mapAgain([]byte) (pages, again []byte, err error) { return nil, nil, errors.ErrUnsupported }
func unmap([]byte, bool)                               {}
