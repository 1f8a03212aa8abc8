package pool

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// cores are some of those that a thread may use: most of them, after skipping
// skip, from the first again after the last. The zero value is all.
type cores struct{ skip, most int }

func (c *Options) coresOf(slot int) cores {
	if !c.Affinity {
		return cores{}
	}
	return cores{slot * c.WorkerProcs, c.WorkerProcs}
}

// maxCores is the most that a kernel can be built for.
const maxCores = 8192

func (c cores) of(all unix.CPUSetDynamic) unix.CPUSetDynamic {
	var ids []int
	for id := range maxCores {
		if all.IsSet(id) {
			ids = append(ids, id)
		}
	}
	some := unix.NewCPUSet(maxCores)
	for i := range min(c.most, len(ids)) {
		some.Set(ids[(c.skip+i)%len(ids)])
	}
	return some
}

// run calls start while the calling thread, which must be locked, is pinned: a
// child inherits it before it has threads of its own.
func (c cores) run(start func() error) error {
	if c.most == 0 {
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
	return fmt.Errorf("%w: leave Options.Affinity unset", os.NewSyscallError(call, err))
}
