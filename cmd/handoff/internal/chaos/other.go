//go:build !linux

package chaos

import (
	"context"
	"errors"
	"fmt"

	"example.com/handoff/pool/journal"
)

// DiskFullWhile is for Linux.
func DiskFullWhile(string) journal.FS { return nil }

// Run answers that this is not Linux.
func (t *Test) Run(_, _ context.Context) error {
	return fmt.Errorf("chaos stops and kills processes by their handles, which needs Linux: %w", errors.ErrUnsupported)
}
