package pool

import (
	"sync"
	"time"
)

// A workerUse is what the workers of a pool take while a pipeline runs.
type workerUse struct {
	p  *Pool
	mu sync.Mutex
	// CPU time of all incarnations: before the run, and at the last look.
	before, last time.Duration
}

func newWorkerUse(p *Pool) *workerUse {
	u := &workerUse{p: p}
	u.look(nil)
	u.before = u.last
	return u
}

// look reads what the living use and adds what the dead have used, and calls each with
// those that are alive.
func (u *workerUse) look(each func(w WorkerStats)) (cpu time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	s := u.p.Stats()
	sum := s.spent
	for _, w := range s.Workers {
		if w.State == StateDead {
			continue
		}
		if u.p.opts.Isolation == Process {
			if c, err := cpuOfProcess(w.PID); err == nil {
				sum += c
			}
		}
		if each != nil {
			each(w)
		}
	}
	u.last = max(u.last, sum) // one that has just died is in neither for a moment
	return u.last - u.before
}

func (u *workerUse) fill(st *StageStats) {
	processes := u.p.opts.Isolation == Process
	if processes {
		st.CPUClock = "child"
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
