package pool

import (
	"fmt"
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

// limitWorkers sets the defaults of WorkerProcs and WorkerMemory, once for all
// incarnations. Workers and Isolation have theirs.
func (c *Options) limitWorkers() error {
	if c.WorkerProcs > maxWorkerProcs {
		return fmt.Errorf("pool: GOMAXPROCS %d for a worker, at most %d", c.WorkerProcs, maxWorkerProcs)
	}
	if c.Isolation == Goroutine {
		return nil
	}
	if c.WorkerProcs == 0 {
		c.WorkerProcs = max(usableCores()/c.Workers, 1)
	}
	if c.WorkerMemory == 0 && c.MemoryLimit > 0 {
		c.WorkerMemory = c.MemoryLimit / 10 * 9
	}
	if c.WorkerMemory == 0 {
		here, _ := shm.Inspect() // its error is about /dev/shm
		c.WorkerMemory = shareMemory(debug.SetMemoryLimit(-1), here.Memory, c.Workers)
	}
	return nil
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
	env := []string{"GOMAXPROCS=" + strconv.Itoa(c.WorkerProcs)}
	if c.WorkerMemory > 0 {
		env = append(env, "GOMEMLIMIT="+strconv.FormatInt(c.WorkerMemory, 10))
	}
	return env
}

// coresOf are the cores that a worker is pinned to, if it is.
func (c *Options) coresOf(slot int) proc.Cores {
	if !c.Affinity {
		return proc.Cores{}
	}
	return proc.Cores{Skip: slot * c.WorkerProcs, Most: c.WorkerProcs}
}
