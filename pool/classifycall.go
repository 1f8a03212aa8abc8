package pool

import (
	"context"
	"fmt"
	"sync"
	"time"

	"example.com/handoff/shm"
)

// ClassifyCall is [Classify] for f with the argument `in`, of which, and of the
// result of the last call, the payload is measured too: f may not change what it
// points to. What gob cannot encode is a warning and leaves Payload nil.
func ClassifyCall[In, Out any](ctx context.Context, f func(ctx context.Context, in In) (Out, error), in In, opts *ClassifyOptions) (Classification, error) {
	if f == nil {
		panic("pool: ClassifyCall: f is nil")
	}
	o := opts.withDefaults(functionSample)
	var out Out
	call := func(ctx context.Context) (err error) {
		out, err = f(ctx, in)
		return err
	}
	return classify(ctx, o, false, func() (cpuSample, error) { return sampleFunc(ctx, call, o) },
		func() (*Payload, error) { return measurePayload(&in, &out, false) })
}

// Classify is [Classify] for the function with the argument `in`, whose payload it
// measures, and the result's. The function runs in this process, on one thread,
// and not in a worker: a crash is this program's, a store to a View of `in` is not
// caught, and Task.Arena is an arena of this process whose arrays are dead when
// the function is called again. Task.Context is ctx, Task.Attempt 1 and
// Task.Worker 0. Planned is RouteProcess unless it is set.
//
// The views in `in` are pinned by the caller, until Classify returns, and where it
// returns because ctx has ended, until the function does.
func (f *Fn[In, Out]) Classify(ctx context.Context, in In, opts *ClassifyOptions) (Classification, error) {
	o := opts.withDefaults(functionSample)
	if o.Planned == "" {
		o.Planned = RouteProcess
	}
	alone := newAlone(ctx)
	defer alone.end()
	var out Out
	call := func(context.Context) error {
		return alone.run(func(t *Task) (err error) {
			out, err = f.f(t, in)
			return err
		})
	}
	return classify(ctx, o, false, func() (cpuSample, error) { return sampleFunc(ctx, call, o) },
		func() (*Payload, error) { return measurePayload(&in, &out, true) })
}

// functionSample is the default of ClassifyOptions.MinSample for a function.
const functionSample = 50 * time.Millisecond

// An alone is what a function sees of a worker where there is none.
type alone struct {
	ctx   context.Context
	arena *shm.Arena
	task  Task

	mu    sync.Mutex // held while the function runs
	ended bool
	shm   *shm.Run // nil until there is something in the arena
}

func newAlone(ctx context.Context) *alone {
	a := &alone{ctx: ctx}
	a.arena = shm.NewArena(a.grow, &shm.ArenaOptions{Scratch: true})
	s := &server{stop: func() {}, results: &resultArena{arena: a.arena}}
	a.task = Task{server: s, attempt: 1, ctx: ctx}
	return a
}

// grow is called while the function runs.
func (a *alone) grow(bytes int64) (*shm.Segment, error) {
	if a.shm == nil {
		var err error
		if a.shm, err = shm.NewRun(); err != nil {
			return nil, err
		}
	}
	return a.shm.Create(bytes)
}

// run calls the function once more. What it made the last time is dead then.
func (a *alone) run(f func(t *Task) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return fmt.Errorf("pool: classify: %w", a.ctx.Err())
	}
	if a.task.arena {
		a.task.arena = false
		a.arena.Reset()
	}
	return f(&a.task)
}

// end waits for nobody: a function that ignores the end of its context keeps its
// memory until it returns.
func (a *alone) end() {
	if a.mu.TryLock() {
		a.endLocked()
		return
	}
	go func() {
		a.mu.Lock()
		a.endLocked()
	}()
}

func (a *alone) endLocked() {
	a.ended = true
	a.arena.Reset()
	a.arena.Close()
	if a.shm != nil {
		a.shm.Close()
	}
	a.mu.Unlock()
}
