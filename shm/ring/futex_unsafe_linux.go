package ring

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The futex is not private to the process: the word lies in shared memory.
const (
	futexOpWait = 0
	futexOpWake = 1
)

// futexWait sleeps until the word is woken, unless it is no longer what was
// seen, for at most the given time. It may return early. The scheduler knows of
// the call: it gives the P to other goroutines while this one sleeps.
func futexWait(w word, seen uint32, most time.Duration) {
	limit := unix.NsecToTimespec(int64(most))
	unix.Syscall6(unix.SYS_FUTEX, w.address(), futexOpWait, uintptr(seen), uintptr(unsafe.Pointer(&limit)), 0, 0)
}

// futexWake wakes the one thread that may sleep there. It does not block.
func futexWake(w word) {
	unix.RawSyscall6(unix.SYS_FUTEX, w.address(), futexOpWake, 1, 0, 0, 0)
}
