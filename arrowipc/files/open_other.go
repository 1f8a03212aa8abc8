//go:build !linux

package files

const openFlags = 0
