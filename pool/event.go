package pool

import (
	"fmt"
	"strings"
	"time"
)

// An EventKind says what has happened.
type EventKind string

const (
	EventReady      EventKind = "ready"      // a worker has said hello
	EventDeath      EventKind = "death"      // a worker died: Death says how
	EventRetired    EventKind = "retired"    // a worker ended as it was asked to: Text says why
	EventRetry      EventKind = "retry"      // a task whose worker died is tried again: Func, Attempt
	EventQuarantine EventKind = "quarantine" // an index of a range has killed its workers and is left out: Func, Lo, Death
	EventWidth      EventKind = "width"      // the pool runs with more or fewer workers: Width, Text says why
	EventBroken     EventKind = "broken"     // the pool has given up: Text says why
)

// An Event is something about workers that does not happen in an undisturbed run,
// starts and ends apart. See [Options.OnEvent].
type Event struct {
	Kind        EventKind
	Time        time.Time
	Worker      int              // slot, as in what follows: of ready, death, retired and retry
	Incarnation int              // of all that the pool has started, from 1
	PID         int              //
	Func        string           // of death, unless it was idle, retry and quarantine
	Attempt     int              // of death: the one that was lost; of retry: the one to come
	Lo          int              // of quarantine: the index; of the death of a block: its first
	Width       int              // of width: how many run from now on
	Death       *WorkerExitError // of death and quarantine
	Text        string           // why, of retired, width and broken
}

// String is the event in a line.
func (e Event) String() string {
	switch e.Kind {
	case EventDeath:
		return fmt.Sprintf("%s: %s: %v", e.Kind, e.Death.Class, e.Death)
	case EventRetry:
		return fmt.Sprintf("%s: %s, attempt %d, after the death of worker %d (pid %d)", e.Kind, e.Func, e.Attempt, e.Worker, e.PID)
	case EventQuarantine:
		return fmt.Sprintf("%s: index %d of %s: %v", e.Kind, e.Lo, e.Func, e.Death)
	case EventWidth:
		return fmt.Sprintf("%s: %d workers: %s", e.Kind, e.Width, e.Text)
	case EventBroken:
		return fmt.Sprintf("%s: %s", e.Kind, e.Text)
	}
	return strings.TrimSuffix(fmt.Sprintf("%s: worker %d (pid %d): %s", e.Kind, e.Worker, e.PID, e.Text), ": ")
}
