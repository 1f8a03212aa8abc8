//go:build !cgo

package pool

const cgoSlack = 0
