//go:build !linux

package pool

import "time"

func cpuOfProcess(int) (time.Duration, error) { return 0, errPlatform }
func waitOfProcess(int) time.Duration         { return 0 }
func memoryOfProcess(int) (m processMemory)   { return m }

func onThread() (end func() (cpuSample, bool)) {
	return func() (s cpuSample, ok bool) { return s, false }
}
