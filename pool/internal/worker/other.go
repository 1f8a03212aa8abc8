//go:build !linux

package worker

import "example.com/handoff/pool/internal/proc"

// Run fails: there are no worker processes here.
func (Program) Run(string) error { return proc.ErrPlatform }
