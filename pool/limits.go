package pool

import (
	"cmp"
	"math"
	"runtime"
	"runtime/debug"
	"strconv"

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/shm"
)

// MinMemoryLimit is the least [Options].MemoryLimit, in bytes: a Go process needs as
// much before its first task.
const MinMemoryLimit = 16 << 20

const (
	maxWorkerProcs  = 4096
	minWorkerMemory = 16 << 20 // the runtime alone takes 6 MiB, and near its limit collects all the time
)

// usableCores is how many cores this process can use at a time.
func usableCores() int { return min(runtime.GOMAXPROCS(0), runtime.NumCPU()) }

// limitWorkers sets the defaults of Runtime, once for all incarnations. Workers has its.
func (c *Options) limitWorkers() {
	r := &c.Runtime
	r.Procs = cmp.Or(r.Procs, max(usableCores()/c.Workers, 1))
	r.Memory = cmp.Or(r.Memory, c.MemoryLimit/10*9)
	if r.Memory == 0 {
		here, _ := shm.Inspect() // its error is about /dev/shm
		r.Memory = shareMemory(debug.SetMemoryLimit(-1), here.Memory, c.Workers)
	}
}

// shareMemory is what each worker gets of half the supervisor's memory limit; 0
// if there is no limit. The other half is for the supervisor itself, mapped
// segments and what is not Go's.
func shareMemory(own int64, groups []shm.Limit, workers int) int64 {
	for _, l := range groups {
		own = min(own, l.Most)
	}
	if own == math.MaxInt64 {
		return 0
	}
	return max(own/2/int64(workers), minWorkerMemory)
}

// workerLimits are the limits as variables of a worker's environment.
func (c *Options) workerLimits() []string {
	env := []string{"GOMAXPROCS=" + strconv.Itoa(c.Runtime.Procs)}
	if c.Runtime.Memory > 0 {
		env = append(env, "GOMEMLIMIT="+strconv.FormatInt(c.Runtime.Memory, 10))
	}
	return env
}

// coresOf are the cores that a worker is pinned to, if it is.
func (c *Options) coresOf(slot int) proc.Cores {
	if !c.Runtime.Affinity {
		return proc.Cores{}
	}
	return proc.Cores{Skip: slot * c.Runtime.Procs, Most: c.Runtime.Procs}
}
