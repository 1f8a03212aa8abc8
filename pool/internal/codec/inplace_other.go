//go:build !linux

package codec

import "errors"

func mapSpine(int) ([]byte, error) { return nil, errors.ErrUnsupported }
func protectSpine([]byte) error    { return errors.ErrUnsupported }
func unmapSpine([]byte, bool)      {}
