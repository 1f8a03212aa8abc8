package pool

import (
	"fmt"
	"iter"
	"time"

	policy "example.com/handoff/pool/internal/task"
	"example.com/handoff/pool/internal/wire"
)

// scheduler has the workers that can be given tasks. Guarded by Pool.mu.
type scheduler struct {
	workers []*worker     // those with a lane, by slot, of which some may be ending; a new slice at each change
	record  []byte        // memory for the record of a task
	loads   []policy.Load // memory for stealLocked
}

// dispatchLocked puts pending tasks into the lanes with the fewest.
func (p *Pool) dispatchLocked() {
	for p.tasks.pending.first != nil {
		t := p.tasks.pending.first
		w := p.pickLocked(t.recordBytes())
		if w == nil {
			break
		}
		if p.sendLocked(w, t) {
			p.tasks.pending.remove(t)
		}
	}
	if len(p.ranges.running) > 0 {
		p.joinRangesLocked()
	}
	for _, w := range p.sched.workers {
		w.lane.Publish()
	}
}

// pickLocked is the worker to have a task of that many bytes next; nil if there is none.
func (p *Pool) pickLocked(bytes int) (best *worker) {
	if p.ending.cause != nil {
		return nil
	}
	for _, w := range p.sched.workers {
		if w.open() && (best == nil || best.watch.Stopped() || w.lane.Len() < best.lane.Len() && !w.watch.Stopped()) && w.fits(bytes) {
			if best = w; w.lane.Len() == 0 && !w.watch.Stopped() {
				break
			}
		}
	}
	return best
}

// fits reports whether w can have a task of that many bytes: not one more than
// Options.Replacement.AfterTasks.
func (w *worker) fits(bytes int) bool {
	most := w.pool.opts.Replacement.AfterTasks
	return w.lane.Fits(bytes) && (most == 0 || w.done+int64(w.lane.Tasks()) < most)
}

// sendLocked puts a pending task into a worker's lane, which has room for it.
// Where a segment cannot be announced it ends the worker instead.
func (p *Pool) sendLocked(w *worker, t *task) bool {
	for _, a := range t.arguments().segs {
		if w.knows[a.id] {
			continue
		}
		use := a.use
		if use == wire.UseResult {
			use = wire.UseInput // of another worker
		}
		if err := w.announceLocked(a, use); err != nil {
			w.unsentLocked(err)
			return false
		}
	}
	w.results.flushTo(w.lane)
	p.sched.record = t.appendRecord(p.sched.record[:0])
	at, ok := w.lane.Push(p.sched.record, t.id, t.entry.grows)
	if !ok {
		w.failLocked(fmt.Errorf("the ring to it: %w", w.lane.Err()))
		return false
	}
	t.place.at = at
	t.state, t.place.worker = taskSent, w
	t.tries.Attempt++
	return true
}

// arguments are the task's, or those of the range that it is a share of.
func (t *task) arguments() *arguments {
	if j := t.share.job; j != nil {
		return &j.args
	}
	return &t.args
}

func (t *task) recordBytes() int {
	if j := t.share.job; j != nil {
		return wire.RangeShareBytes + len(j.args.bytes)
	}
	return (&wire.Task{Deadline: t.args.deadline}).Bytes() + len(t.args.bytes)
}

// appendRecord appends what the worker gets, for an attempt more than there were.
func (t *task) appendRecord(b []byte) []byte {
	if j := t.share.job; j != nil {
		return t.shareRecord().Append(b, j.args.bytes)
	}
	r := wire.Task{Func: t.fn, Attempt: t.tries.Attempt + 1, ID: t.id, Large: t.args.large, Deadline: t.args.deadline}
	return r.Append(b, t.args.bytes)
}

// requeueLocked puts a task that was in a lane and that no worker has begun to
// where it is next.
func (p *Pool) requeueLocked(t *task) {
	t.state, t.place.worker = taskPending, nil
	t.tries.Attempt--
	p.tasks.pending.pushFront(t)
}

// stuckAfter is how long a worker may leave its only task lying: it is stopped,
// or has no processor.
const stuckAfter = 100 * time.Millisecond

// stealLocked moves tasks that wait behind a long one, or that a worker does not
// begin, to workers that have none. The caller knows that no result has come for as
// long as a wake takes.
func (p *Pool) stealLocked() (moved bool) {
	if p.tasks.pending.first != nil || p.ending.cause != nil {
		return false
	}
	p.sched.loads = p.sched.loads[:0]
	for _, w := range p.sched.workers {
		same, load := w.lane.Look(), policy.Load{Answers: -1}
		if w.open() {
			load = policy.Load{Answers: w.lane.Len(), Tasks: w.lane.Tasks()}
			load.Stuck = load.Tasks == 1 && same && w.lane.Stuck(stuckAfter)
		}
		p.sched.loads = append(p.sched.loads, load)
	}
	from, n := policy.Steal(p.sched.loads)
	if n == 0 {
		return false
	}
	l := p.sched.workers[from].lane
	for i := l.Len() - 1; i >= 0 && n > 0; i-- {
		s := l.At(i)
		if !s.Live {
			continue
		}
		t := p.taskOf(s.ID)
		if !t.share.movable() || i == 0 && !t.tries.Movable() || !l.Revoke(t.place.at) {
			continue
		}
		if i == 0 {
			t.tries.HeadDeaths++
		}
		p.requeueLocked(t)
		moved = true
		n--
	}
	p.dispatchLocked()
	return moved
}

// unbegunLocked reports whether a task was seen to lie in a lane that was not begun:
// somebody is to look again.
func (p *Pool) unbegunLocked() bool {
	for _, w := range p.sched.workers {
		if w.lane.HasUnbegun() {
			return true
		}
	}
	return false
}

// taskOf is the task of the table, or the share of a range, that is in a lane under an id.
func (p *Pool) taskOf(id wire.TaskID) *task {
	if id.Index == shareIndex {
		return p.ranges.shares[id.Epoch]
	}
	return p.tasks.all[id.Index]
}

// runningLocked is the task that w has begun, as far as one can tell from outside; nil
// if there is none.
func (w *worker) runningLocked() *task {
	if id, ok := w.lane.Running(); ok {
		return w.pool.taskOf(id)
	}
	return nil
}

// waitingLocked are the tasks in w's lane, the youngest first. Each may be taken back
// meanwhile.
func (w *worker) waitingLocked() iter.Seq[*task] {
	return func(yield func(*task) bool) {
		for i := w.lane.Len() - 1; i >= 0; i-- {
			if s := w.lane.At(i); s.Live && !yield(w.pool.taskOf(s.ID)) {
				return
			}
		}
	}
}
