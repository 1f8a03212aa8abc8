//go:build !linux

package pipeline

import "time"

func selfCPU() time.Duration                { return 0 }
func memoryOfProcess(int) (m processMemory) { return m }
