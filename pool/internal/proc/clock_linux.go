package proc

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A Clock reads what a worker has used: the process, or, where it is a goroutine
// with a thread to itself, this thread.
type Clock struct {
	id    int32
	statm *os.File // of the process; nil for a thread
}

// ProcessClock is the clock of this process.
func ProcessClock() Clock {
	f, _ := os.Open("/proc/self/statm") // without it Private is 0
	return Clock{unix.CLOCK_PROCESS_CPUTIME_ID, f}
}

// ThreadClock is the clock of the calling thread.
func ThreadClock() Clock { return Clock{unix.CLOCK_THREAD_CPUTIME_ID, nil} }

// CPUOf is the CPU time of all threads of another process; 0 of one that is gone.
func CPUOf(pid int) time.Duration {
	const schedClock = 2 // CPUCLOCK_SCHED of linux/posix-timers.h: nanoseconds that it ran
	return Clock{id: int32(^pid<<3 | schedClock)}.Time()
}

// Time is user and system time until now: the sum that getrusage splits in two.
func (c Clock) Time() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(c.id, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// Private is anonymous memory now, in bytes: what is resident and not shared. It is one
// short file, where the peak would be a long one, and getrusage's peak begins with that
// of the process that started this one.
func (c Clock) Private() int64 {
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
