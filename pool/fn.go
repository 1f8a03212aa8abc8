package pool

import (
	"context"

	workerside "example.com/handoff/pool/internal/worker"
	"example.com/handoff/shm"
)

// A Fn is a function that worker processes can run.
type Fn[In, Out any] struct {
	e *entry
	f func(t *Task, in In) (Out, error)
}

// Func registers f under name. Call it in a package-level variable: supervisor
// and workers run the same binary and must know the same functions.
//
// In and Out are of nearly any type, and travel by value: what arrives equals what was sent
// as after an assignment that also copies what pointers, slices and maps lead to.
// Unexported fields travel too; nil stays nil and empty stays empty; two pointers to one
// object arrive as two. The receiver owns what it gets. A type with GobEncode and GobDecode,
// or else MarshalBinary and UnmarshalBinary, travels by these methods, each for at most 10
// seconds, and what an interface holds by package gob, with which its type must be
// registered. [Fn.Plan] says how each field travels.
//
// What is large and goes to many tasks is better handed over by reference. In may contain
// [shm.View] (read-only input; also the View of an earlier result's OwnedView) and
// [shm.Array] (writable, from [Pool.Outputs]), Out may contain [shm.OwnedView], both a
// [shm.Carrier]: in structs, arrays and slices and behind pointers.
//
// Func panics if there is no name or it is taken, and, with the field's path, for a type that
// has no meaning in another process: channels, functions, uintptr, unsafe.Pointer, structs
// of the standard library with unexported state and no methods to marshal it (sync.Mutex),
// and Views, Arrays and Carriers in maps and interfaces. A value that contains itself, or is
// more than 10,000 pointers, slices and maps deep, is an error of Submit.
//
// A struct that embeds a View, a Carrier or a type with such methods beside other fields
// travels field by field: to use methods of the struct's own instead, give the field a name.
//
// f runs in a worker, one call at a time per worker. Its views are dead when it
// returns. An OwnedView in its result must be the Own of an array, or of a part of one,
// that f made in [Task.Arena] during this call; any other, but for one
// without elements, makes the task fail. f may be called again for the same task
// if its worker dies. An error, a panic and a store to a View of In are the task's
// own ([*TaskError]) and not retried.
func Func[In, Out any](name string, f func(t *Task, in In) (Out, error)) *Fn[In, Out] {
	e := newEntry(name, f)
	register(e)
	return &Fn[In, Out]{e, f}
}

// Submit hands one task to p and returns at once; it fails if ctx has ended, and
// does not look at it afterwards, but that the function's [Task.Context] has its deadline.
// The views in `in` are pinned until the task is resolved; the caller may
// release them at any time. What goes by value is copied, and may be changed afterwards. The error is
// [ErrFull], [ErrClosed], [shm.ErrFull] where Options.Arenas.Inputs has no room for it now,
// [ErrTooLarge] where it never has, [shm.ErrReleased], or what broke the pool.
func (f *Fn[In, Out]) Submit(ctx context.Context, p *Pool, in In) (Future[Out], error) {
	s, err := submit(ctx, p, f.e, &in, deadlineOf(ctx), nil, 0)
	return Future[Out]{p: p, plan: f.e.out, id: s.id, seq: s.number}, err
}

// Call runs the function once in a worker of p and waits for its result: a Submit and a
// Wait in one. It may be called from several goroutines, and they share the workers.
//
// The views in `in` are pinned until the task is resolved; the caller may release them when
// Call has returned. The OwnedViews in the result are the caller's to release. When ctx ends
// first, its error is returned, the task is cancelled ([Future.Cancel]), and what it still
// returns is released. The other errors are those of Submit and of [Future.Wait]: the
// task's own ([*TaskError]), a [*WorkerExitError] if workers died under every attempt,
// [ErrFull], [ErrClosed], [ErrTooLarge], [shm.ErrReleased], or what broke the pool.
func (f *Fn[In, Out]) Call(ctx context.Context, p *Pool, in In) (Out, error) {
	future, err := f.Submit(ctx, p, in)
	if err != nil {
		var none Out
		return none, err
	}
	out, err := future.Wait(ctx)
	if err != nil { // of ctx, or the future has been waited for and the next two do nothing
		future.Cancel()
		future.Discard()
	}
	return out, err
}

// Inline calls the function here, on the calling goroutine, without a pool and without
// copying: what a test or a measurement of the function itself needs. Its Task has ctx
// as its Context, arena as its Arena, Attempt 1 and Worker 0.
//
// Nothing is isolated: a panic is the caller's, a crash ends this program, and a store to
// a View of in is not caught. The caller keeps the views in in pinned, and owns arena: the
// arrays in the result live until it is reset or closed. A nil arena is for a function that
// makes no arrays. Calls may overlap if the function bears it. The error is the function's.
func (f *Fn[In, Out]) Inline(ctx context.Context, arena *shm.Arena, in In) (Out, error) {
	return f.f(&Task{workerside.InlineCall(ctx, arena)}, in)
}

// A Task is what the function sees of the task it runs. It is valid until the
// function returns.
type Task struct{ call *workerside.Call }

// Context ends when the task is cancelled, or the range that it is of has ended
// early, and when Close has waited for Options.Timeouts.Close. It has the deadline of the
// context that Submit or Call was called with.
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
