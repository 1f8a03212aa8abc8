package ring

import "golang.org/x/sys/unix"

// schedYield gives the core to another thread that wants it.
func schedYield() { unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) }
