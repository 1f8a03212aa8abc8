//go:build cgo

package pool

const cgoSlack = 16 * 8 << 20
