//go:build !linux

package worker

import "example.com/handoff/pool/internal/proc"

// Run fails: there are no worker processes here.
func Run(string, []Func, [16]byte, func() error, func() []error) error { return proc.ErrPlatform }
