package life

import "time"

// A Watch is what is known of a worker by looking at it now and then: no task reads a
// clock. Times are those that the supervisor was awake for, so that its own pause, by
// SIGSTOP or on a machine that was asleep, is held against nobody. A task is never found
// to run for longer than it did. The zero Watch is of a new incarnation.
type Watch struct {
	last    Seen
	ran     time.Duration // since the oldest was seen to be begun, or to lie there
	slept   time.Duration // of that, for which the worker slept though it was begun
	ending  time.Duration // since it was seen to have a reason to end what it does
	stopped time.Duration // since it was seen to be
	sampled time.Duration // since the last look at the process

	wasEnding, isStopped bool // at the last look
}

// Seen is a worker at a look.
type Seen struct {
	Position uint64 // of the oldest in its lane, from 1; 0: it has nothing to do
	Begun    bool   // it has begun that
	Claim    uint64 // its block of a range; 0 where it runs none
	Running  bool   // what it has begun was not taken back
	Asleep   bool   // at its doorbell
	Retiring bool   // it is to end when it has nothing left to do
	// Cancelled: the task that it runs is, and may be ended by force.
	Cancelled bool
}

// Limits are bounds; 0 is none for Task alone.
type Limits struct {
	Task   time.Duration // for a task, or a block
	Cancel time.Duration // for what goes on after it was cancelled
	Stop   time.Duration // for a worker that is stopped, or leaves the next task lying
	Close  time.Duration // for a worker that is to end
}

// An Overrun is the bound that a worker has overrun.
type Overrun int

const (
	InTime       Overrun = iota
	NotEnded             // Limits.Close
	NotBegun             // Limits.Stop, with a task before it
	SleptThrough         // Limits.Stop, asleep though it has begun a task
	RanTooLong           // Limits.Task
	NotCancelled         // Limits.Cancel
)

// Look adds what is seen after the supervisor was awake for that long.
func (w *Watch) Look(s Seen, awake time.Duration, l Limits) Overrun {
	if s.Position != w.last.Position || s.Begun != w.last.Begun || s.Claim != w.last.Claim && s.Claim != 0 {
		w.ran, w.slept, w.ending, w.wasEnding = 0, 0, 0, false
	} else {
		w.ran += awake
		if s.Begun && s.Asleep { // it sleeps nowhere else: what it was to run, or its result, was written over
			w.slept += awake
		}
	}
	w.last = s
	isEnding := !s.Running && s.Retiring || s.Running && s.Cancelled
	if isEnding && w.wasEnding {
		w.ending += awake
	}
	w.wasEnding = isEnding
	switch {
	case !s.Running && s.Retiring:
		if w.ending >= l.Close {
			return NotEnded
		}
	case s.Position > 0 && !s.Begun && !w.isStopped && w.ran >= l.Stop:
		return NotBegun
	case w.slept >= l.Stop:
		return SleptThrough
	case s.Running && l.Task > 0 && w.ran >= l.Task:
		return RanTooLong
	case s.Running && s.Cancelled && w.ending >= l.Cancel:
		return NotCancelled
	}
	return InTime
}

// SampleDue reports whether its process is to be looked at, which is once in every, and
// begins to count anew. An idle process is left alone.
func (w *Watch) SampleDue(awake, every time.Duration) bool {
	if w.sampled += awake; w.sampled < every || w.last.Position == 0 && !w.isStopped {
		return false
	}
	w.sampled = 0
	return true
}

// Sampled is a look at its process, once in every: it is stopped, by a signal or a
// debugger, or is not. It reports whether it was for longer than limit.
func (w *Watch) Sampled(stopped bool, every, limit time.Duration) (tooLong bool) {
	was := w.isStopped
	w.isStopped = stopped
	if !stopped || !was {
		w.stopped = 0
		return false
	}
	w.stopped += every
	return w.stopped >= limit
}

// Stopped reports whether its process was seen to be stopped.
func (w *Watch) Stopped() bool { return w.isStopped }
