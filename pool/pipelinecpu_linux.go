package pool

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
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

// waitOfProcess is how long the threads of a process that are there now were ready to run
// and had no core; 0 where the kernel does not say.
func waitOfProcess(pid int) (waited time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, f := range files {
		waited += readCPUWait(f)
	}
	return waited
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

// onThread measures what the calling goroutine does until end is called: it is locked to
// its thread meanwhile.
func onThread() (end func() (cpuSample, bool)) {
	runtime.LockOSThread()
	var before, after cpuSample
	before.cpuWait = readCPUWait(threadSchedstat)
	err := before.readCPUTimes()
	begun := time.Now()
	return func() (cpuSample, bool) {
		wall := time.Since(begun)
		err2 := after.readCPUTimes()
		after.cpuWait = readCPUWait(threadSchedstat)
		runtime.UnlockOSThread()
		cpu := after.cpu - before.cpu
		// What it waited for a core is no wait of its own. The process's clock is that of
		// all stages.
		waited := after.cpuWait - before.cpuWait
		return cpuSample{wall: max(wall-waited, cpu, 1), cpu: cpu, process: cpu, cpuWait: waited, calls: 1}, err == nil && err2 == nil
	}
}
