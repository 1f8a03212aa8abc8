package pool

import (
	"context"
	"fmt"

	"example.com/handoff/pool/internal/codec"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A Future is the result of one task, to come. It is a value: {index, epoch}
// into the pool's table of tasks; copies are the same future. It is waited for
// once. A future that is neither waited for nor discarded keeps its place in
// the table until the pool is closed.
type Future[Out any] struct {
	p    *Pool
	plan *codec.Plan
	id   wire.TaskID
	seq  uint64
}

// TaskNumber is the task's among all tasks and ranges of its pool, from 1 in the order of
// their submission, and is not used again: [Attempt].TaskNumber. It is 0 for a future that
// was never submitted.
func (f Future[Out]) TaskNumber() uint64 { return f.seq }

// Wait waits for the task and returns its result, whose OwnedViews are the caller's to
// release. The error is the task's own
// ([*TaskError]), a [*WorkerExitError] if workers died under every attempt,
// [ErrCancelled], [ErrClosed], or [ErrWaited] the second time. When ctx ends
// first, its error is returned, the task goes on, and the future can be waited
// for again.
func (f Future[Out]) Wait(ctx context.Context) (v Out, err error) {
	if f.p == nil {
		return v, fmt.Errorf("%w, or was never submitted", ErrWaited)
	}
	v, _, err = f.wait(ctx)
	return v, err
}

// WaitViews is Wait for a caller that passes the result on and releases its memory later,
// whatever its type: views are the OwnedViews in it, those of its Carriers included, in no
// particular order. Each is released once, here or in v, and that is the caller's to do.
// views is empty if there is an error.
func (f Future[Out]) WaitViews(ctx context.Context) (v Out, views []shm.OwnedBinder, err error) {
	if f.p == nil {
		return v, nil, fmt.Errorf("%w, or was never submitted", ErrWaited)
	}
	t, err := f.p.await(ctx, f.id)
	if err != nil {
		return v, nil, err
	}
	views = t.out.views
	if v, _, err = take[Out](f.p, f.plan, t); err != nil {
		return v, nil, err
	}
	return v, views, nil
}

func (f Future[Out]) wait(ctx context.Context) (v Out, how taken, err error) {
	t, err := f.p.await(ctx, f.id)
	if err != nil {
		return v, how, err
	}
	return take[Out](f.p, f.plan, t)
}

// Cancel ends the task: one that no worker has yet resolves with
// [ErrCancelled]; for a running one [Task.Context] ends, and what the function
// makes of that is the result: an error it returns then wraps ErrCancelled. A
// function that goes on for Options.Timeouts.Cancel is ended with its worker, and the
// task resolves with ErrCancelled. Cancelling a resolved task does nothing.
func (f Future[Out]) Cancel() {
	if f.p != nil {
		f.p.cancel(f.id, false)
	}
}

// Discard gives the result up: the task goes on, and is tried again like any other
// if its worker dies; its place in the table is free when it ends. A later Wait is
// [ErrWaited].
func (f Future[Out]) Discard() {
	if f.p != nil {
		f.p.discard(f.id)
	}
}

// taken says how a result was taken.
type taken struct {
	dry   bool  // the caller had to wait for it, and a worker has nothing to do
	bytes int64 // of a side block
}

// take is the result of a resolved task, which it frees. It unlocks p.mu.
func take[Out any](p *Pool, plan *codec.Plan, t *task) (v Out, how taken, err error) {
	switch {
	case t.out.err != nil:
		err = t.out.err
	case t.out.value != nil:
		v = *t.out.value.(*Out)
		t.out.views = nil // they are the caller's now
	case t.out.large == nil && plan.Quick():
		err = codec.Decode(plan, t.out.bytes, &v, nil)
	default:
		if t.out.large != nil {
			how.bytes = t.out.large.bytes
		}
		v, err = decodeUnlocking[Out](p, plan, t)
	}
	if err != nil && t.out.err == nil {
		err = fmt.Errorf("pool: result of %s: %w", t.entry.name, err)
	}
	if t.hadToWait {
		for _, w := range p.sched.workers {
			how.dry = how.dry || w.lane.Tasks() == 0
		}
	}
	p.freeLocked(t)
	p.unlock()
	return v, how, err
}

// decodeUnlocking decodes the result of a resolved task that is the caller's to free. It
// lets go of Pool.mu meanwhile.
func decodeUnlocking[Out any](p *Pool, plan *codec.Plan, t *task) (v Out, err error) {
	l := t.out.large
	t.out.large = nil
	decode := func(b []byte) error { return codec.Decode(plan, b, &v, nil) }
	p.unlocked(func() {
		if l != nil {
			err = l.decode(decode)
		} else {
			err = recovered(func() error { return decode(t.out.bytes) })
		}
	})
	if err != nil {
		v = *new(Out)
	}
	return v, err
}
