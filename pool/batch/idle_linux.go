package batch

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// onlyWhenIdle lets the calling goroutine run when nothing else wants the core. Its
// thread ends with it.
func onlyWhenIdle() {
	runtime.LockOSThread()
	const schedIdle = 5 // SCHED_IDLE
	unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: schedIdle}, 0)
}
