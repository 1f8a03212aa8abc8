//go:build !linux

package shmtest

import "testing"

// Private is for Linux only: it skips the test.
func Private(t *testing.T, _ string) bool {
	t.Skip("needs Linux")
	return false
}
