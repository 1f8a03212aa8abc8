package worker

import (
	"context"
	"sync/atomic"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A Call is the running task: what package pool gives its function as a Task.
type Call struct {
	server  *server // nil of an InlineCall
	id      wire.TaskID
	attempt int
	arena   bool // it was asked for

	inline *shm.Arena // of an InlineCall

	hasCtx atomic.Bool
	ctx    context.Context // guarded by server.mu; nil until it is asked for
}

// InlineCall is for a call of a function without a worker.
func InlineCall(ctx context.Context, arena *shm.Arena) *Call {
	return &Call{attempt: 1, ctx: ctx, inline: arena}
}

// Context ends when the task is cancelled and when there is no supervisor any more.
func (c *Call) Context() context.Context {
	s := c.server
	if s == nil {
		return c.ctx
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.ctx == nil {
		c.ctx, s.stop = context.WithCancel(context.Background())
		c.hasCtx.Store(true)
		if s.gone || s.cancelled == c.id {
			s.stop()
		}
	}
	return c.ctx
}

// Attempt counts from 1.
func (c *Call) Attempt() int { return c.attempt }

// Slot is the worker's slot.
func (c *Call) Slot() int {
	if c.server == nil {
		return 0
	}
	return c.server.host.Slot
}

// Arena is where the task makes arrays for its result.
func (c *Call) Arena() *shm.Arena {
	if c.server == nil {
		return c.inline
	}
	c.arena = true
	return c.server.results.arena
}

// ID is the task's.
func (c *Call) ID() wire.TaskID { return c.id }

// Lane is the worker's side of its lane, to which any function can write that wants to:
// the tests of what a supervisor bears do.
func (c *Call) Lane() *lane.Worker { return &c.server.lane }
