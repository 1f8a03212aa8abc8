package cores

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// Usable lists the cores that this process may run on.
func Usable() (cores []int, err error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			cores = append(cores, i)
		}
	}
	return cores, nil
}

// On runs f on a thread that may use one core alone. A process that f starts
// inherits that, and its Go runtime sees one core.
func On(core int, f func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return os.NewSyscallError("sched_getaffinity", err)
	}
	if err := setCores(0, []int{core}); err != nil {
		return err
	}
	defer unix.SchedSetaffinity(0, &all)
	return f()
}

func setCores(thread int, cores []int) error {
	var set unix.CPUSet
	for _, c := range cores {
		set.Set(c)
	}
	return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(thread, &set))
}

// MoveTo puts every thread of a process on some cores alone. It looks until it finds no
// new ones, which inherit from the others.
func MoveTo(pid int, cores ...int) error {
	moved := map[string]bool{}
	for before := -1; before < len(moved); {
		before = len(moved)
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
		if err != nil {
			return err
		}
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				return err
			}
			if err := setCores(id, cores); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
			moved[t.Name()] = true
		}
	}
	return nil
}
