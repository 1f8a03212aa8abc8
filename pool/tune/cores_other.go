//go:build !linux

package tune

import "runtime"

// physicalCores takes logical cores for physical ones: the standard library does not tell.
func physicalCores() int { return runtime.NumCPU() }
