package pool

import (
	"context"

	workerside "example.com/handoff/pool/internal/worker"
	"example.com/handoff/shm"
)

// A Task is what the function sees of the task it runs. It is valid until the
// function returns.
type Task struct{ call *workerside.Call }

// Context ends when the task is cancelled, or the range that it is of has ended
// early, and when Close has waited for Options.Timeouts.Close.
func (t *Task) Context() context.Context { return t.call.Context() }

// Attempt counts from 1: 2 means that a worker died under this task before.
func (t *Task) Attempt() int { return t.call.Attempt() }

// Worker is the worker's slot, 0 to Workers+Spares−1. The next incarnation of a dead
// worker has the same.
func (t *Task) Worker() int { return t.call.Slot() }

// Arena is where the function makes the arrays whose Own it returns: memory
// that the supervisor has mapped too, within Options.Arenas.Results. What was made
// there and not returned is released when the function returns, and so are its
// slices dead. A Make in it fails with [shm.ErrFull] where Options.Arenas.Results is
// used up by what callers have not released yet; [shm.MakeWait] waits for them. It is the worker's for all its
// tasks: do not Close it.
func (t *Task) Arena() *shm.Arena { return t.call.Arena() }
