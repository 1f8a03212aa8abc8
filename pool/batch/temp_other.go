//go:build !linux

package batch

import (
	"errors"
	"os"

	"example.com/handoff/pool/journal"
)

func openNameless(string) (*os.File, error)   { return nil, errors.ErrUnsupported }
func linkNameless(journal.File, string) error { return errors.ErrUnsupported }
