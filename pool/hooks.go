package pool

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"example.com/handoff/pool/internal/hook"
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

// hooks are Options.OnEvent, OnAttempt, Logger and Output; package hook has the rule that
// holds for them. Stats.Hooks counts the calls that wait. They lock themselves, and may be
// used with any lock held.
type hooks struct {
	events   hook.Calls[Event]
	attempts hook.Calls[Attempt]
	logs     hook.Calls[slog.Record]
	output   hook.Output
}

func (h *hooks) open(o *Options) {
	h.events.Open("Options.OnEvent", o.OnEvent)
	if f := o.OnAttempt; f != nil {
		h.attempts.Open("Options.OnAttempt", func(a Attempt) {
			a.Behind = h.attempts.Unreturned() - 1
			f(a)
		})
	}
	if handler := o.Logger.Handler(); handler != slog.DiscardHandler {
		h.logs.Open("Options.Logger", func(r slog.Record) {
			if ctx := context.Background(); handler.Enabled(ctx, r.Level) {
				handler.Handle(ctx, r)
			}
		})
	}
	h.output.Open("Options.Output", o.Output)
}

func (h *hooks) event(e Event) {
	e.Time = time.Now()
	h.events.Emit(e)
}

// measured reports whether attempts are measured.
func (h *hooks) measured() bool { return h.attempts.Set() }

func (h *hooks) log(level slog.Level, text string, args ...any) {
	if !h.logs.Set() {
		return
	}
	var pc [1]uintptr
	runtime.Callers(2, pc[:])
	r := slog.NewRecord(time.Now(), level, text, pc[0])
	r.Add(args...)
	h.logs.Emit(r)
}

func (h *hooks) all() []*hook.State {
	return []*hook.State{&h.events.State, &h.attempts.State, &h.logs.State, &h.output.State}
}
