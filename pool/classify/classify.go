package classify

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// ErrTooShort is returned when a measured run was so short that the resolution of the CPU
// clock, or the start of a command, would decide the answer. Retrying helps only with more
// data per run; the text gives the figures.
var ErrTooShort = errors.New("classify: sample too short to judge")

// Func runs fn on this machine and says whether it computes or waits and where it should
// run. Give it representative data and an otherwise idle process: goroutines that do not
// belong to fn are counted as its own when they are busy.
//
// Each sample runs fn on a fresh goroutine locked to its OS thread, again and again until
// the sample is long enough (see MaxCalls), so fn must bear being repeated. What one call
// costs includes about 0.1 µs of measuring. There is no warm-up: the median leaves a cold
// first sample out. Calls are one after another, but several measurements at once disturb
// each other's figures.
//
// ctx is passed to fn, and its end ends Func at once with ctx.Err(). A goroutine cannot be
// killed: if fn ignores ctx it runs on, unobserved, and what it uses must stay valid. The
// other errors are what fn returned (wrapped), a panic of fn with its value and stack, fn
// calling runtime.Goexit, a negative option, ErrTooShort, and errors.ErrUnsupported on
// systems other than Linux. Func panics if fn is nil.
func Func(ctx context.Context, fn func(context.Context) error, opts *Options) (Verdict, error) {
	if fn == nil {
		panic("classify: Func: fn is nil")
	}
	return function(ctx, fn, opts, nil)
}

// Call is [Func] for f with the argument `in`. Unless the options say how large the payload
// is, gob encodes and decodes the argument and the result of the last call: f may not
// change what they point to. What gob cannot encode is a warning and leaves Payload nil.
func Call[In, Out any](ctx context.Context, f func(ctx context.Context, in In) (Out, error), in In, opts *Options) (Verdict, error) {
	if f == nil {
		panic("classify: Call: f is nil")
	}
	var out Out
	call := func(ctx context.Context) (err error) {
		out, err = f(ctx, in)
		return err
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	o.inPlace = inPlace(reflect.TypeFor[In]()) && inPlace(reflect.TypeFor[Out]())
	return function(ctx, call, &o, func() (*Payload, error) { return measurePayload(&in, &out) })
}

// Fn is [Call] for a registered function, which [pool.Fn.Inline] calls: in this process, on
// one thread, and not in a worker. Task.Arena is an arena whose arrays are dead when the
// function is called again. Planned is RouteProcess unless it is set.
//
// gob takes no View and no Array, and no unexported field: if `in` or the result has some,
// set PayloadBytes and RefBytes.
//
// The caller pins the views in `in` until Fn returns, and where it returns because ctx has
// ended, until the function does.
func Fn[In, Out any](ctx context.Context, f *pool.Fn[In, Out], in In, opts *Options) (Verdict, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Planned == "" {
		o.Planned = RouteProcess
	}
	scratch := newScratch()
	defer scratch.end()
	return Call(ctx, func(ctx context.Context, in In) (out Out, err error) {
		err = scratch.use(func(a *shm.Arena) error {
			out, err = f.Inline(ctx, a, in)
			return err
		})
		return out, err
	}, in, &o)
}

// Command is [Func] for an external command: argv[0] is looked up in PATH and run once per
// sample, in the caller's directory and environment, with empty input and its output
// discarded. Being foreign, it routes to a process when it computes.
//
// The command gets a process group of its own. When it exits, and when ctx ends, all that
// is left in that group is killed; a descendant that moved to another group is not.
// Descendants are counted as well: those that were waited for by their usage, others by
// looking at them while they run, which misses what lives less than 20 ms or is a daemon
// from its start. Command returns when the command is gone: with ctx.Err() if ctx ended, an
// *exec.ExitError if it failed, or the error of starting it, each wrapped with the last
// lines of its stderr, escaped; otherwise the errors are those of Func.
func Command(ctx context.Context, argv []string, opts *Options) (Verdict, error) {
	if len(argv) == 0 {
		return Verdict{}, errors.New("classify: no command given")
	}
	o, err := opts.withDefaults(20 * time.Millisecond)
	if err != nil {
		return Verdict{}, err
	}
	o.Foreign = true
	return measure(ctx, o, true, func() (sample, error) { return sampleCommand(ctx, argv) }, nil)
}

func function(ctx context.Context, fn func(context.Context) error, opts *Options, payload func() (*Payload, error)) (Verdict, error) {
	o, err := opts.withDefaults(50 * time.Millisecond)
	if err != nil {
		return Verdict{}, err
	}
	return measure(ctx, o, false, func() (sample, error) { return sampleFunc(ctx, fn, o) }, payload)
}

// measure takes the samples and judges them. payload, if not nil, measures what the last
// call was handed, unless o says it; its error is a warning.
func measure(ctx context.Context, o Options, command bool, take func() (sample, error), payload func() (*Payload, error)) (Verdict, error) {
	var all samples
	before := readGC()
	for range o.Repeats {
		if err := ctx.Err(); err != nil {
			return Verdict{}, fmt.Errorf("classify: %w", err)
		}
		s, err := take()
		if err != nil {
			return Verdict{}, err
		}
		if s.wall < o.MinSample {
			return Verdict{}, s.tooShort(o.MinSample, command)
		}
		all = append(all, s)
	}
	collected := readGC().minus(before)
	known := o.payload()
	var unknown []string
	if known == nil && payload != nil {
		var err error
		if known, err = payload(); err != nil {
			unknown = append(unknown, err.Error())
		}
	}
	v := judge(all, o, command, collected, known)
	v.Warnings = append(v.Warnings, unknown...)
	return v, nil
}

// A scratch is the arena of a function that is measured. The function may run on, and use
// it, when nobody waits for it any more.
type scratch struct {
	mu    sync.Mutex // held while the function runs; guards what follows
	arena *shm.Arena
	run   *shm.Run // nil until there is something in the arena
	ended bool
}

func newScratch() *scratch {
	s := &scratch{}
	s.arena = shm.NewArena(s.grow, &shm.ArenaOptions{Scratch: true})
	return s
}

// grow is called while the function runs.
func (s *scratch) grow(bytes int64) (*shm.Segment, error) {
	if s.run == nil {
		var err error
		if s.run, err = shm.NewRun(); err != nil {
			return nil, err
		}
	}
	return s.run.Create(bytes)
}

// use calls the function once more. What it made the last time is dead then.
func (s *scratch) use(f func(*shm.Arena) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return context.Canceled
	}
	s.arena.Reset()
	return f(s.arena)
}

// end removes the arena, at once or, if a function that ignores the end of its context
// still uses it, when that returns.
func (s *scratch) end() {
	remove := func() {
		defer s.mu.Unlock()
		s.ended = true
		s.arena.Reset()
		s.arena.Close()
		if s.run != nil {
			s.run.Close()
		}
	}
	if s.mu.TryLock() {
		remove()
		return
	}
	go func() {
		s.mu.Lock()
		remove()
	}()
}
