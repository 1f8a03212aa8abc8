package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

// hooks calls what users have set to hear of a pool: Options.OnEvent, OnAttempt, Logger
// and Output.
//
// The same holds for the first three. Calls come one at a time, in order, on a goroutine
// of the hook's own, and nobody but Close waits for them. None is dropped: those that wait
// take memory, and Stats.Hooks counts them. Output is written to by the readers of what
// workers write, so a slow one holds workers up and takes no memory.
//
// Each hook has a lock of its own, under which no other is taken, so event, log and
// attempts.emit may be called with any lock held. The functions are called without any.
type hooks struct {
	events   hookCalls[Event]
	attempts hookCalls[Attempt]
	logs     hookCalls[slog.Record]
	output   output
}

func (h *hooks) open(o *Options) {
	h.events.open("Options.OnEvent", o.OnEvent)
	if f := o.OnAttempt; f != nil {
		h.attempts.open("Options.OnAttempt", func(a Attempt) {
			a.Behind = h.attempts.unreturned() - 1
			f(a)
		})
	}
	if handler := o.Logger.Handler(); handler != slog.DiscardHandler {
		h.logs.open("Options.Logger", func(r slog.Record) {
			if ctx := context.Background(); handler.Enabled(ctx, r.Level) {
				handler.Handle(ctx, r)
			}
		})
	}
	h.output.open(o.Output)
}

func (h *hooks) event(e Event) {
	e.Time = time.Now()
	h.events.emit(e)
}

// measured reports whether attempts are measured.
func (h *hooks) measured() bool { return h.attempts.f != nil }

func (h *hooks) log(level slog.Level, text string, args ...any) {
	if h.logs.f == nil {
		return
	}
	var pc [1]uintptr
	runtime.Callers(2, pc[:])
	r := slog.NewRecord(time.Now(), level, text, pc[0])
	r.Add(args...)
	h.logs.emit(r)
}

// leave is called by Close: a hook that calls it is not waited for.
func (h *hooks) leave() {
	here := goroutineID()
	for _, s := range h.all() {
		s.leave(here)
	}
}

// wait returns when all calls were made. It gives a hook up when ctx ends, or when one call takes
// longer than longest, and says so in the error.
func (h *hooks) wait(ctx context.Context, longest time.Duration) error {
	all := h.all()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() { errs[i] = s.wait(ctx, longest) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (h *hooks) all() []*hookState {
	return []*hookState{&h.events.hookState, &h.attempts.hookState, &h.logs.hookState, &h.output.hookState}
}

func (h *hooks) stats() HookStats {
	return HookStats{
		EventsWaiting:   h.events.unreturned(),
		AttemptsWaiting: h.attempts.unreturned(),
		RecordsWaiting:  h.logs.unreturned(),
		LinesWaiting:    h.output.unreturned(),
	}
}

// hookCalls are a function of the user's with the values that it is still to be called with.
type hookCalls[T any] struct {
	hookState
	f       func(T) // nil: there is no hook
	waiting []T     // guarded by mu
}

func (q *hookCalls[T]) open(name string, f func(T)) { q.name, q.f = name, f }

func (q *hookCalls[T]) emit(v T) {
	if q.f == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, v)
	if q.addLocked(); q.pending == 1 {
		go q.run()
	}
}

func (q *hookCalls[T]) run() {
	q.mu.Lock()
	q.goroutine = goroutineID()
	q.mu.Unlock()
	for q.callNext() {
	}
}

// callNext reports whether there is more. If the function ends its goroutine, another
// one goes on.
func (q *hookCalls[T]) callNext() (more bool) {
	q.mu.Lock()
	v := q.waiting[0]
	var none T
	q.waiting[0] = none
	q.waiting = q.waiting[1:]
	q.calls++
	q.mu.Unlock()
	returned := false
	defer func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		if more = q.doneLocked(); !more {
			q.waiting, q.goroutine = nil, ""
		} else if !returned {
			go q.run()
		}
	}()
	q.f(v)
	returned = true
	return
}

// output hands the lines of workers to Options.Output, one at a time.
type output struct {
	hookState
	to    io.Writer
	write sync.Mutex // held while to is written to
}

func (o *output) open(to io.Writer) { o.name, o.to = "Options.Output", to }

// of is what hears of each line of a worker; nil if nobody wants them.
func (o *output) of(slot int) func(line []byte) {
	if o.to == nil {
		return nil
	}
	return func(line []byte) {
		q := strconv.Quote(string(line))
		text := fmt.Appendf(nil, "worker %d: %s\n", slot, strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`))
		o.mu.Lock()
		o.addLocked()
		o.mu.Unlock()
		o.write.Lock()
		o.mu.Lock()
		o.calls++
		o.goroutine = goroutineID()
		o.mu.Unlock()
		defer func() {
			o.mu.Lock()
			o.goroutine = ""
			o.doneLocked()
			o.mu.Unlock()
			o.write.Unlock()
		}()
		o.to.Write(text)
	}
}

// A hookState says whether a hook keeps up.
type hookState struct {
	name string

	mu        sync.Mutex    // guards what follows
	calls     int64         // begun
	pending   int           // not begun, or not returned
	goroutine string        // in the hook; "" if none is
	settled   chan struct{} // closed when Close need not wait for what is pending
}

func (s *hookState) addLocked() {
	if s.pending++; s.pending == 1 {
		s.settled = make(chan struct{})
	}
}

// doneLocked counts a call that has returned, and reports whether others are pending.
func (s *hookState) doneLocked() bool {
	if s.pending--; s.pending == 0 {
		s.settleLocked()
	}
	return s.pending > 0
}

func (s *hookState) settleLocked() {
	select {
	case <-s.settled:
	default:
		close(s.settled)
	}
}

// leave settles a hook that runs on the goroutine, and so waits for Close itself.
func (s *hookState) leave(goroutine string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.goroutine == goroutine {
		s.settleLocked()
	}
}

// wait returns when nothing is pending, or says what is when ctx ends or one call takes
// longer than longest.
func (s *hookState) wait(ctx context.Context, longest time.Duration) error {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	for last := int64(-1); ; {
		s.mu.Lock()
		settled, calls, behind := s.settled, s.calls, s.pending-1
		s.mu.Unlock()
		switch {
		case behind < 0 || hasEnded(settled):
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("pool: close: %s has not returned, and %d calls wait behind it: %w", s.name, behind, context.Cause(ctx))
		case calls == last:
			return fmt.Errorf("pool: close: %s has not returned for %v, and %d calls wait behind it", s.name, longest, behind)
		}
		last = calls
		timer.Reset(longest)
		select {
		case <-settled:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// unreturned is how many calls are made or wait.
func (s *hookState) unreturned() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pending
}

// goroutineID is what a stack trace begins with: "goroutine 7". Nothing else tells Close
// that it was called in a hook.
func goroutineID() string {
	b := make([]byte, 64)
	b = b[:runtime.Stack(b, false)]
	return string(b[:max(bytes.IndexByte(b, '['), 0)])
}
