//go:build cgo

package proc

const cgoSlack = 16 * 8 << 20
