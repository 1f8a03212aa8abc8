package pool

import (
	"time"

	"example.com/handoff/pool/internal/proc"
)

// workerCPU sums the CPU time of worker processes. Pool.mu guards it.
type workerCPU struct {
	dead time.Duration // of those that have died
	most time.Duration // the most that was ever returned
}

// WorkerCPU returns the user and system time that the pool's worker processes have used
// since New, the dead ones included; the difference of two calls is what they used
// between. It never falls. It costs about a microsecond for each living worker, and may
// be called from any goroutine, at any time. What a worker that dies during the call has
// used since the last one may be in the next.
//
// ok is false where it is not known: with Isolation = Goroutine, and elsewhere than on
// Linux.
func (p *Pool) WorkerCPU() (cpu time.Duration, ok bool) {
	if p.opts.Isolation == Goroutine {
		return 0, false
	}
	var pids []int
	p.mu.Lock()
	cpu = p.slots.used.dead
	for _, w := range p.slots.all {
		if w.proc != nil && !w.reaped {
			pids = append(pids, w.proc.PID())
		}
	}
	p.mu.Unlock()
	for _, pid := range pids {
		cpu += proc.CPUOf(pid)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slots.used.most = max(p.slots.used.most, cpu)
	return p.slots.used.most, true
}
