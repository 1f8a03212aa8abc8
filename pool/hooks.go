package pool

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"example.com/handoff/pool/internal/hook"
)

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

func (h *hooks) stats() HookStats {
	return HookStats{
		EventsWaiting:   h.events.Unreturned(),
		AttemptsWaiting: h.attempts.Unreturned(),
		RecordsWaiting:  h.logs.Unreturned(),
		LinesWaiting:    h.output.Unreturned(),
	}
}
