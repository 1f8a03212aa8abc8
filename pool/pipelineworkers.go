package pool

import (
	"maps"
	"sync"
	"time"
)

// A workerUse adds up what the workers of a pool take.
type workerUse struct {
	p  *Pool
	mu sync.Mutex
	// By incarnation: CPU time before the run, and at the last look.
	before, last map[int]time.Duration
}

func newWorkerUse(p *Pool) *workerUse {
	u := &workerUse{p: p, last: map[int]time.Duration{}}
	u.look(nil)
	u.before = maps.Clone(u.last)
	return u
}

// look reads what each worker has used, and calls each with those that are alive.
func (u *workerUse) look(each func(w WorkerStats)) (cpu time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, w := range u.p.Stats().Workers {
		if w.State == StateDead {
			continue
		}
		if c, err := cpuOfProcess(w.PID); err == nil && u.p.opts.Isolation == Process {
			u.last[w.Incarnation] = c
		}
		if each != nil {
			each(w)
		}
	}
	for i, c := range u.last {
		cpu += c - u.before[i]
	}
	return cpu
}

func (u *workerUse) fill(st *StageStats) {
	processes := u.p.opts.Isolation == Process
	if processes {
		st.CPUClock = ClockChild
	}
	st.CPU = u.look(func(w WorkerStats) {
		if w.State != StateStandby {
			st.Workers++
		}
		if processes {
			m := memoryOfProcess(w.PID)
			st.Private += m.private
			st.PSS += m.pss
		}
	})
}

// A processMemory is the memory of a process in bytes: what is its own, and that with
// its share of what it shares.
type processMemory struct{ private, pss int64 }
