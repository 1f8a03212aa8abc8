package pool

import (
	"context"
	"errors"
	"iter"
)

// A Fn is a function that worker processes can run.
type Fn[In, Out any] struct{ e *entry }

// Func registers f under name. Call it in a package-level variable: supervisor
// and workers run the same binary and must know the same functions. In and Out
// are numbers, bools, strings, arrays and structs of them, at most 4096 bytes as
// encoded; In may contain [shm.View] (read-only input) and [shm.Array] (writable,
// from [Pool.Outputs]), Out may contain [shm.View]. Anything else, no name, and a
// name that is taken, panics here.
//
// f runs in a worker, one call at a time per worker. Its views are dead when it
// returns. A View in its result must be of an array, or a part of one, that f made
// in [Task.Arena] during this call and did not release; any other, but for one
// without elements, makes the task fail. f may be called again for the same task
// if its worker dies. An error, a panic and a store to a View of In are the task's
// own ([*TaskError]) and not retried.
func Func[In, Out any](name string, f func(t *Task, in In) (Out, error)) *Fn[In, Out] {
	e := newEntry(name, f)
	register(e)
	return &Fn[In, Out]{e}
}

// Name is the name the function was registered under.
func (f *Fn[In, Out]) Name() string { return f.e.name }

// Submit hands one task to p and returns at once. ctx bounds the admission
// only. The views in `in` are pinned until the task is resolved; the caller may
// release them at any time. The error is [ErrFull], [ErrClosed], [ErrTooLarge],
// [shm.ErrReleased], or what broke the pool.
func (f *Fn[In, Out]) Submit(ctx context.Context, p *Pool, in In) (Future[Out], error) {
	if err := ctx.Err(); err != nil {
		return Future[Out]{}, err
	}
	id, err := submit(p, f.e, &in)
	return Future[Out]{p: p, codec: f.e.out, id: id}, err
}

// An Item is one result of Map.
type Item[Out any] struct {
	Index int // position of its input in the sequence, from 0
	Value Out // zero if the item failed
}

// Map hands every value of ins to p and yields the results in the order of
// their inputs. Inputs are pulled between yields on the caller's goroutine, up
// to a window of a few tasks per worker ahead of the result being waited for,
// so a slow consumer holds the producer back. An item's own failure is yielded
// with its index and the sequence goes on; the failure of the pool, the end of
// ctx, or [ErrFull] where futures of others take up the whole table, is yielded
// last. Leaving the loop returns at once and cancels the rest:
// running tasks finish unobserved and keep their pins until they do. Views in
// what was yielded are the caller's to release; the rest is the pool's.
func (f *Fn[In, Out]) Map(ctx context.Context, p *Pool, ins iter.Seq[In]) iter.Seq2[Item[Out], error] {
	type flight struct {
		Future[Out]
		err error
	}
	return func(yield func(Item[Out], error) bool) {
		next, stop := iter.Pull(ins)
		defer stop()
		var window []flight
		defer func() {
			for _, fl := range window {
				if fl.err == nil {
					fl.Cancel()
					fl.Discard()
				}
			}
		}()
		var in In
		held, more := false, true // held: pulled, but the task table was full
		for index := 0; ; index++ {
			for more && len(window) < 4*p.opts.Workers {
				if !held {
					if in, more = next(); !more {
						break
					}
				}
				held = false
				fut, err := f.Submit(ctx, p, in)
				if errors.Is(err, ErrFull) && len(window) > 0 {
					held = true
					break
				}
				window = append(window, flight{fut, err})
			}
			if len(window) == 0 {
				return
			}
			fl := window[0]
			item, err := Item[Out]{Index: index}, fl.err
			if err == nil {
				item.Value, err = fl.Wait(ctx)
			}
			end := err != nil && (ctx.Err() != nil || p.broken() != nil || errors.Is(err, ErrFull))
			if !end || fl.err != nil {
				window = window[1:]
			}
			if !yield(item, err) || end {
				return
			}
		}
	}
}
