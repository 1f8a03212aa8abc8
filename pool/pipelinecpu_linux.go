package pool

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuOfProcess is the CPU time of all threads of a process; pid 0 is this one.
func cpuOfProcess(pid int) (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED of linux/posix-timers.h: what ran, in nanoseconds
	clock := int32(unix.CLOCK_PROCESS_CPUTIME_ID)
	if pid != 0 {
		clock = int32(^pid<<3 | schedClock)
	}
	var t unix.Timespec
	err := unix.ClockGettime(clock, &t)
	return time.Duration(t.Nano()), os.NewSyscallError("clock_gettime", err)
}

// memoryOfProcess reads /proc. A process that has died gives none.
func memoryOfProcess(pid int) (m processMemory) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return m
	}
	for line := range bytes.Lines(b) {
		key, value, _ := strings.Cut(string(line), ":")
		switch value = strings.TrimSpace(value); key {
		case "Pss":
			m.pss = kibibytes(value)
		case "Private_Clean", "Private_Dirty":
			m.private += kibibytes(value)
		}
	}
	return m
}
