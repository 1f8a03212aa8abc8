package proc

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// maxCores is the most that a kernel can be built for.
const maxCores = 8192

func (c Cores) of(all unix.CPUSetDynamic) unix.CPUSetDynamic {
	var ids []int
	for id := range maxCores {
		if all.IsSet(id) {
			ids = append(ids, id)
		}
	}
	some := unix.NewCPUSet(maxCores)
	for i := range min(c.Most, len(ids)) {
		some.Set(ids[(c.Skip+i)%len(ids)])
	}
	return some
}

// Run calls start while the calling thread, which must be locked, is pinned: a
// child inherits it before it has threads of its own.
func (c Cores) Run(start func() error) error {
	if c.Most == 0 {
		return start()
	}
	all := unix.NewCPUSet(maxCores)
	if err := unix.SchedGetaffinityDynamic(0, all); err != nil {
		return mendAffinity("sched_getaffinity", err)
	}
	if err := unix.SchedSetaffinityDynamic(0, c.of(all)); err != nil {
		return mendAffinity("sched_setaffinity", err)
	}
	// This fails only where none of these cores is left to the process; the kernel
	// has then put the thread on those that are.
	defer unix.SchedSetaffinityDynamic(0, all)
	return start()
}

func mendAffinity(call string, err error) error {
	return fmt.Errorf("%w: leave Options.Runtime.Affinity unset", os.NewSyscallError(call, err))
}
