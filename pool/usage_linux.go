package pool

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A cpuClock reads what a worker has used: the process, or, where it is a goroutine
// with a thread to itself, this thread.
type cpuClock struct {
	id    int32
	statm *os.File // of the process; nil for a thread
}

func processClock() cpuClock {
	f, _ := os.Open("/proc/self/statm") // without it private is 0
	return cpuClock{unix.CLOCK_PROCESS_CPUTIME_ID, f}
}

func threadClock() cpuClock { return cpuClock{unix.CLOCK_THREAD_CPUTIME_ID, nil} }

// processCPU is the CPU time of all threads of another process; 0 of one that is gone.
func processCPU(pid int) time.Duration {
	const schedClock = 2 // CPUCLOCK_SCHED of linux/posix-timers.h: nanoseconds that it ran
	return cpuClock{id: int32(^pid<<3 | schedClock)}.time()
}

// time is user and system time until now: the sum that getrusage splits in two.
func (c cpuClock) time() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(c.id, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// private is anonymous memory now, in bytes: what is resident and not shared. It is one
// short file, where the peak would be a long one, and getrusage's peak begins with that
// of the process that started this one.
func (c cpuClock) private() int64 {
	if c.statm == nil {
		return 0
	}
	var buf [128]byte
	n, _ := c.statm.ReadAt(buf[:], 0)
	f := bytes.Fields(buf[:n])
	if len(f) < 3 {
		return 0
	}
	resident, _ := strconv.ParseInt(string(f[1]), 10, 64)
	shared, _ := strconv.ParseInt(string(f[2]), 10, 64)
	return (resident - shared) * int64(os.Getpagesize())
}
