package ring

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// currentCore is the number of the core that this thread runs on; 0 if the kernel does not
// tell. It may be out of date when it returns.
func currentCore() uint32 {
	cpu, _, err := getcpu()
	if err != nil {
		return 0
	}
	return cpu
}

// moveFrom moves this thread off the given core (plus 1; 0 is none) if it is on
// it and may run on others, and leaves it free to run anywhere it could before.
func moveFrom(core uint32, own word) {
	if core == 0 || currentCore()+1 != core {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all unix.CPUSet
	if unix.SchedGetaffinity(0, &all) != nil || all.Count() < 2 {
		return
	}
	others := all
	others.Clear(int(core) - 1)
	if unix.SchedSetaffinity(0, &others) == nil {
		unix.SchedSetaffinity(0, &all)
		own.store(currentCore() + 1)
	}
}
