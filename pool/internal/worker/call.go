package worker

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A Call is the running task: what package pool gives its function as a Task. There is one
// in a worker, which each task has in turn. Its methods are the function's to call, from
// any goroutine, until it returns.
type Call struct {
	worker *worker // nil of an InlineCall
	slot   int
	arena  *shm.Arena

	// Of the goroutine that runs tasks.
	id        wire.TaskID
	attempt   int
	deadline  int64 // as in wire.Task
	arguments []argument

	usesShared bool        // a Block of its arguments
	sharesOwn  atomic.Bool // it has made a Block

	largeArguments, largeResult bool // they are in side blocks

	number     atomic.Uint64 // id.Number, for cancel
	usesArena  atomic.Bool
	hasContext atomic.Bool

	mu        sync.Mutex         // guards what follows
	ctx       context.Context    // nil until it is asked for
	stop      context.CancelFunc // of ctx
	cancelled wire.TaskID        // the last one
	ended     bool               // so is every context
}

// An argument is a View or Array of the running task.
type argument struct {
	shm.Binder
	field  string
	memory []byte
}

// InlineCall is for a call of a function without a worker.
func InlineCall(ctx context.Context, arena *shm.Arena) *Call {
	return &Call{attempt: 1, ctx: ctx, arena: arena}
}

// Context ends when the task is cancelled, and when the supervisor is gone.
func (c *Call) Context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx == nil {
		c.ctx, c.stop = contextUntil(c.deadline)
		c.hasContext.Store(true)
		if c.ended || c.cancelled == c.id {
			c.stop()
		}
	}
	return c.ctx
}

// contextUntil is a context with a deadline as in wire.Task.
func contextUntil(deadline int64) (context.Context, context.CancelFunc) {
	if deadline == 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithDeadline(context.Background(), time.Unix(0, deadline))
}

// Attempt counts from 1.
func (c *Call) Attempt() int { return c.attempt }

// Slot is the worker's.
func (c *Call) Slot() int { return c.slot }

// Arena is where the function makes the arrays of its result; nil if an InlineCall has none.
func (c *Call) Arena() *shm.Arena {
	c.usesArena.Store(true)
	return c.arena
}

// ID is the task's.
func (c *Call) ID() wire.TaskID { return c.id }

// Lane is the worker's side of its lane. A function can write to that memory whatever it
// likes, and tests do, to see what a supervisor bears.
func (c *Call) Lane() *lane.Worker { return &c.worker.lane }

// Bind binds a View or Array of the arguments, until the function returns. It is a
// codec.BindFunc.
func (c *Call) Bind(field string, b shm.Binder, w shm.WireRef) error {
	if err := c.worker.segments.bind(b, w); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	c.lend(b, w.ID)
	c.arguments = append(c.arguments, argument{b, field, b.Bytes()})
	step("task-bound")
	return nil
}

// Ref pins an array of the result and returns its wire ref. It is a codec.RefFunc.
func (c *Call) Ref(field string, b shm.Binder) (shm.WireRef, error) {
	w, err := c.worker.results.ref(b)
	if err != nil {
		err = fmt.Errorf("%s: %w", field, err)
	}
	return w, err
}

// begin makes a task the running one.
func (c *Call) begin(id wire.TaskID, attempt int, deadline int64) {
	c.id, c.attempt, c.deadline = id, attempt, deadline
	c.largeArguments, c.largeResult = false, false
	c.number.Store(id.Number())
}

// end ends what the running task was given, but for the memory of its results; it reports
// whether the task had asked for that.
func (c *Call) end() (usedArena bool) {
	for _, a := range c.arguments {
		shm.Unbind(a.Binder)
	}
	clear(c.arguments)
	c.arguments = c.arguments[:0]
	c.endShared()
	if c.hasContext.Load() {
		c.hasContext.Store(false)
		c.mu.Lock()
		c.stop()
		c.ctx, c.stop = nil, nil
		c.mu.Unlock()
	}
	if usedArena = c.usesArena.Load(); usedArena {
		c.usesArena.Store(false)
	}
	return usedArena
}

// cancel ends the context of a task that runs, or will run.
func (c *Call) cancel(id wire.TaskID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancelled = id; c.number.Load() == id.Number() && c.stop != nil {
		c.stop()
	}
}

// endAll ends the running task's context and all that will be asked for.
func (c *Call) endAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended = true; c.stop != nil {
		c.stop()
	}
}
