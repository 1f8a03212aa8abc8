package pool

import (
	"errors"
	"time"

	"example.com/handoff/pool/internal/wire"
)

// An Attempt is one start of a task, or of a block of a range, that has ended: a line
// of a job log. See [Options.OnAttempt].
type Attempt struct {
	TaskNumber  uint64 // [Future.TaskNumber] or [Item].TaskNumber; of a range: a number of its own, the same for all its blocks
	Func        string // registered name
	Attempt     int    // from 1
	Lo, Hi      int    // of a range: the indices, from Lo up to Hi; both 0 where only the text of Err says which
	Worker      int    // slot
	PID         int    // this process for Isolation = Goroutine
	Incarnation int    // of all that the pool has started, from 1

	// Start is by the wall clock, Wall by the monotonic one: from when the worker took
	// the task to when its result was encoded, both in the worker. Of an attempt that a
	// death has ended, Wall goes up to when the pool has seen it, and is 0 where the
	// worker died before it had noted the start.
	Start time.Time
	Wall  time.Duration
	// CPU is user and system time of the whole worker process meanwhile, since a task
	// may compute on goroutines, which change threads, and a worker runs one at a time:
	// its garbage collection is in it, and children are not. Other threads than the
	// task's own count up to the last tick of the kernel, some milliseconds. After a
	// death it is what the kernel has counted for the dead, with the children that it
	// had waited for. With Isolation = Goroutine it is of the goroutine that ran the
	// function alone, which has a thread to itself; 0 after a death.
	CPU time.Duration
	// PeakPrivate is the most private (anonymous) memory that the worker has been seen
	// to have since it started, in bytes: at looks a second apart, and at the end of
	// this and earlier attempts. Go gives memory back slowly: what a task has used is
	// mostly there at its end. After a death it is [WorkerExitError].PeakPrivate. 0 with
	// Isolation = Goroutine.
	PeakPrivate int64

	// Kind says how the task itself has failed: the Kind of its [TaskError], or "cancelled"
	// where it failed after its context had ended. "" where it has returned a result, or its
	// worker died.
	Kind string
	// Exit is the class of the death that has ended the attempt; "" where the worker has
	// answered.
	Exit ExitClass
	// Err is nil, what [Future.Wait] returns, or of a death the [*WorkerExitError], tried
	// again or not. It is not to be changed.
	Err error
	// Behind is how many attempts wait for the hook behind this one.
	Behind int
}

// attemptKind is the Kind of an attempt that the worker has answered.
func attemptKind(err error) string {
	var own *TaskError
	switch {
	case err == nil:
		return ""
	case errors.Is(err, ErrCancelled), errors.Is(err, ErrClosed), !errors.As(err, &own):
		return "cancelled"
	}
	return own.Kind
}

// indices are those of a block of a range, or of a part of one.
func (t *task) indices(block uint32) (lo, hi int) {
	if t.share.job == nil {
		return 0, 0
	}
	return t.share.job.machine.At(&t.share.Share, block)
}

// attemptLocked counts an attempt that w has answered, of a task or of a block, and
// tells of it.
func (w *worker) attemptLocked(t *task, block uint32, u wire.Usage, err error) {
	p := w.pool
	p.stats.Attempts++
	if !p.hooks.measured() {
		return
	}
	a := w.describe(t)
	a.Attempt = t.tries.Attempt
	a.Lo, a.Hi = t.indices(block)
	u = u.Clamp(w.born, time.Now())
	w.memory.peakPrivate = max(w.memory.peakPrivate, u.Private)
	a.Start, a.Wall, a.CPU, a.PeakPrivate = time.Unix(0, u.Start), u.Wall, u.CPU, w.memory.peakPrivate
	a.Kind, a.Err = attemptKind(err), err
	p.hooks.attempts.Emit(a)
}

// recordLostLocked counts the attempt that w has died under, of which death says what is
// known already; reportLostLocked tells of it.
func (w *worker) recordLostLocked(t *task, death *WorkerExitError) {
	p := w.pool
	p.stats.Attempts++
	if !p.hooks.measured() {
		return
	}
	a := w.describe(t)
	a.Attempt, a.Lo, a.Hi = death.Attempt, death.Lo, death.Hi
	u := wire.Usage{Start: w.died.UnixNano()}
	if start, cpu, ok := w.lane.Begun().Load(t.id); ok {
		u.Start = start
		u.Wall = time.Duration(w.died.UnixNano() - u.Start)
		if w.spent > 0 {
			u.CPU = w.spent - cpu
		}
	}
	u = u.Clamp(w.born, w.died)
	a.Start, a.Wall, a.CPU = time.Unix(0, u.Start), u.Wall, u.CPU
	w.lost = &a
}

// reportLostLocked tells of the attempt that was lost, if one was: the death is known now.
func (w *worker) reportLostLocked(death *WorkerExitError) {
	if a := w.lost; a != nil {
		w.lost = nil
		a.Exit, a.Err, a.PeakPrivate = death.Class, death, death.PeakPrivate
		w.pool.hooks.attempts.Emit(*a)
	}
}

func (w *worker) describe(t *task) Attempt {
	number := t.number
	if j := t.share.job; j != nil {
		number = j.taskNumber
	}
	return Attempt{TaskNumber: number, Func: t.entry.name, Worker: w.slot, PID: w.proc.PID(), Incarnation: w.number}
}
