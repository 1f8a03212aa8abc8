//go:build !linux

package pool

import "time"

func cpuOfProcess(int) (time.Duration, error) { return 0, errPlatform }
func memoryOfProcess(int) (m processMemory)   { return m }
