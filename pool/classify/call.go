package classify

import (
	"context"
	"sync"
	"time"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// Call is [Func] for f with the argument `in`. Unless the options say how
// large the payload is, gob encodes and decodes the argument and the result of the last
// call: f may not change what they point to. What gob cannot encode is a warning and
// leaves Payload nil.
func Call[In, Out any](ctx context.Context, f func(ctx context.Context, in In) (Out, error), in In, opts *Options) (Verdict, error) {
	if f == nil {
		panic("classify: Call: f is nil")
	}
	o := opts.withDefaults(functionSample)
	var out Out
	call := func(ctx context.Context) (err error) {
		out, err = f(ctx, in)
		return err
	}
	return measure(ctx, o, false, func() (cpuSample, error) { return sampleFunc(ctx, call, o) },
		func() (*Payload, error) { return measurePayload(&in, &out) })
}

// Fn is [Call] for a registered function, which [pool.Fn.Inline] calls: in this
// process, on one thread, and not in a worker. Task.Arena is an arena whose arrays are
// dead when the function is called again. Planned is RouteProcess unless it is set.
//
// gob takes no View and no Array, and no unexported field: if `in` or the result has
// some, set PayloadBytes and RefBytes.
//
// The views in `in` are pinned by the caller, until Fn returns, and where it
// returns because ctx has ended, until the function does.
func Fn[In, Out any](ctx context.Context, f *pool.Fn[In, Out], in In, opts *Options) (Verdict, error) {
	o := opts.withDefaults(functionSample)
	if o.Planned == "" {
		o.Planned = RouteProcess
	}
	scratch := newScratch()
	defer scratch.end()
	var out Out
	call := func(ctx context.Context) error {
		return scratch.use(func(a *shm.Arena) (err error) {
			out, err = f.Inline(ctx, a, in)
			return err
		})
	}
	return measure(ctx, o, false, func() (cpuSample, error) { return sampleFunc(ctx, call, o) },
		func() (*Payload, error) { return measurePayload(&in, &out) })
}

// functionSample is the default of Options.MinSample for a function.
const functionSample = 50 * time.Millisecond

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
