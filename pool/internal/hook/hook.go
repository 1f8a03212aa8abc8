// Package hook calls what users have set to hear of a pool, says at the end what still
// hangs, and contains users' functions that are waited for ([Contain]).
//
// The same holds for all [Calls]: they come one at a time, in order, on a goroutine of the
// hook's own, and nobody but Wait waits for them. None is dropped: those that wait take
// memory, and are counted. An [Output] is written to by the readers of what workers write,
// so a slow one holds workers up and takes no memory.
//
// Each has a lock of its own, under which no other is taken, so Emit may be called with
// any lock held. The functions are called without any.
package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Leave says that the calling goroutine is about to Wait: a hook that runs on it is not
// waited for.
func Leave(all ...*State) {
	here := goroutineID()
	for _, s := range all {
		s.leave(here)
	}
}

// Wait returns when all calls were made. It gives a hook up when ctx ends, or when one call
// takes longer than longest, and says so in the error.
func Wait(ctx context.Context, longest time.Duration, all ...*State) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() { errs[i] = s.wait(ctx, longest) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Calls are a function of the user's with the values that it is still to be called with:
// one call at a time, in order, on a goroutine of their own. The zero value has no function.
type Calls[T any] struct {
	State
	f       func(T) // nil: there is no hook
	waiting []T     // guarded by mu
}

// Open sets the function, once, before any other call; name is for errors. nil is none.
func (q *Calls[T]) Open(name string, f func(T)) { q.name, q.f = name, f }

// Set reports whether there is a function.
func (q *Calls[T]) Set() bool { return q.f != nil }

// Emit has the function called with v, some time. It does not wait for it.
func (q *Calls[T]) Emit(v T) {
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

func (q *Calls[T]) run() {
	q.mu.Lock()
	q.goroutine = goroutineID()
	q.mu.Unlock()
	for q.callNext() {
	}
}

// callNext reports whether there is more. If the function ends its goroutine, another
// one goes on.
func (q *Calls[T]) callNext() (more bool) {
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

// Output hands the lines of workers to Options.Output, one at a time.
type Output struct {
	State
	to    io.Writer
	write sync.Mutex // held while to is written to
}

// Open sets the writer, once, before any other call; name is for errors. nil is none.
func (o *Output) Open(name string, to io.Writer) { o.name, o.to = name, to }

// Of returns the function that takes each line of a worker; nil if there is no writer.
func (o *Output) Of(slot int) func(line []byte) {
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

// A State says whether a hook keeps up.
type State struct {
	name string

	mu        sync.Mutex    // guards what follows
	calls     int64         // begun
	pending   int           // not begun, or not returned
	goroutine string        // in the hook; "" if none is
	settled   chan struct{} // closed when Close need not wait for what is pending
}

func (s *State) addLocked() {
	if s.pending++; s.pending == 1 {
		s.settled = make(chan struct{})
	}
}

// doneLocked counts a call that has returned, and reports whether others are pending.
func (s *State) doneLocked() bool {
	if s.pending--; s.pending == 0 {
		s.settleLocked()
	}
	return s.pending > 0
}

func (s *State) settleLocked() {
	select {
	case <-s.settled:
	default:
		close(s.settled)
	}
}

// leave settles a hook that runs on the goroutine, and so waits for Close itself.
func (s *State) leave(goroutine string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.goroutine == goroutine {
		s.settleLocked()
	}
}

// wait returns when nothing is pending, or says what is when ctx ends or one call takes
// longer than longest.
func (s *State) wait(ctx context.Context, longest time.Duration) error {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	for last := int64(-1); ; {
		s.mu.Lock()
		settled, calls, behind := s.settled, s.calls, s.pending-1
		s.mu.Unlock()
		switch {
		case behind < 0 || isClosed(settled):
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

// Unreturned counts the calls that wait or have not returned.
func (s *State) Unreturned() int {
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

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Contain runs a function of the user's on a goroutine of its own: a panic, a fault and
// runtime.Goexit in it are errors. One that has not returned when ctx ends, or takes longer
// than longest, if that is not 0, is left behind.
func Contain(ctx context.Context, longest time.Duration, f func() error) error {
	ended := make(chan error, 1)
	go func() {
		debug.SetPanicOnFault(true)
		err := errors.New("it called runtime.Goexit")
		defer func() {
			if v := recover(); v != nil {
				err = fmt.Errorf("panic: %.1000v", v)
			}
			ended <- err
		}()
		err = f()
	}()
	var late <-chan time.Time
	if longest > 0 {
		timer := time.NewTimer(longest)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case err := <-ended:
		return err
	case <-late:
		return fmt.Errorf("it took longer than %v", longest)
	case <-ctx.Done():
		return fmt.Errorf("it has not returned: %w", context.Cause(ctx))
	}
}
