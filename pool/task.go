package pool

import (
	"context"
	"sync/atomic"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A Task is what the function sees of the task it runs. It is valid until the
// function returns.
type Task struct {
	server  *server // nil in Fn.Inline
	id      wire.TaskID
	attempt int
	arena   bool // it was asked for

	inline *shm.Arena // of Fn.Inline

	hasCtx atomic.Bool
	ctx    context.Context // guarded by server.mu; nil until it is asked for
}

// Context ends when the task is cancelled, or the range that it is of has ended
// early, and when Close has waited for Options.CloseTimeout.
func (t *Task) Context() context.Context {
	s := t.server
	if s == nil {
		return t.ctx
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.ctx == nil {
		t.ctx, s.stop = context.WithCancel(context.Background())
		t.hasCtx.Store(true)
		if s.gone || s.cancelled == t.id {
			s.stop()
		}
	}
	return t.ctx
}

// Attempt counts from 1: 2 means that a worker died under this task before.
func (t *Task) Attempt() int { return t.attempt }

// Worker is the worker's slot, 0 to Workers+Spares−1. The next incarnation of a dead
// worker has the same.
func (t *Task) Worker() int {
	if t.server == nil {
		return 0
	}
	return t.server.host.slot
}

// Arena is where the function makes the arrays whose Own it returns: memory
// that the supervisor has mapped too, within Options.Results. What was made
// there and not returned is released when the function returns, and so are its
// slices dead. A Make in it fails with [shm.ErrFull] where Options.Results is
// used up by what callers have not released yet; [shm.MakeWait] waits for them. It is the worker's for all its
// tasks: do not Close it.
func (t *Task) Arena() *shm.Arena {
	if t.server == nil {
		return t.inline
	}
	t.arena = true
	return t.server.results.arena
}
