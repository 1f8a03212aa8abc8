//go:build !linux

package main

import (
	"context"
	"errors"
	"fmt"

	"example.com/handoff/pool/journal"
)

func diskFullWhile(string) journal.FS { return nil }

func (c *chaosTest) run(context.Context, func(text string)) error {
	return fmt.Errorf("chaos stops and kills processes by their handles, which needs Linux: %w", errors.ErrUnsupported)
}
