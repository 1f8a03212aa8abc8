//go:build !linux

package pool

import "example.com/handoff/pool/internal/proc"

func runWorker(string) error { return proc.ErrPlatform }
