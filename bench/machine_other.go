//go:build !linux

package bench

func shmBytes() int64 { return 0 }
