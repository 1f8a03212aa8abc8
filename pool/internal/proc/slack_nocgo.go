//go:build !cgo

package proc

const cgoSlack = 0
