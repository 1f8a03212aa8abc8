package pipeline

import (
	"context"
	"time"

	"example.com/handoff/pool"
)

// runTask runs f in a pool for an item. With the result the item holds its Views, and no
// longer what it has brought.
func runTask[In, Out any](ctx context.Context, u *workerUse, f *pool.Fn[In, Out], it *item[In]) (v Out, err error) {
	fut, err := submit(ctx, u.p, f, it.v, &u.tasks)
	if err != nil {
		return v, err
	}
	defer u.tasks.over()
	v, views, err := fut.WaitViews(ctx)
	if err != nil {
		fut.Cancel() // both do nothing where the task has failed
		fut.Discard()
		return v, err
	}
	made := &holds{}
	for _, b := range views {
		ref := b.Ref()
		made.add(b, ref.Bytes())
	}
	err = it.held.release()
	it.held = made
	return v, err
}

// A workerUse is what a run has of a pool: its tasks, and the CPU time of the workers.
type workerUse struct {
	p      *pool.Pool
	tasks  tasksIn
	before time.Duration // when the run began
}

func newWorkerUse(p *pool.Pool) *workerUse {
	u := &workerUse{p: p}
	u.before, _ = p.WorkerCPU()
	return u
}

func (u *workerUse) fill(st *StageStats) {
	cpu, known := u.p.WorkerCPU()
	st.CPU, st.CPUKnown = cpu-u.before, known
	for _, w := range u.p.Stats().Workers {
		if w.State == pool.StateDead {
			continue
		}
		if w.State != pool.StateStandby {
			st.Workers++
		}
		if known {
			m := memoryOfProcess(w.PID)
			st.Private += m.private
			st.PSS += m.pss
		}
	}
}

// A processMemory is the memory of a process in bytes: what is its own alone, and that
// with its share of what it has in common with others.
type processMemory struct{ private, pss int64 }
