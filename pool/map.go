package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"

	"example.com/handoff/pool/internal/wire"
)

// An Item is one result of Map.
type Item[Out any] struct {
	Index int // position of its input in the sequence, from 0
	Value Out // zero if the item failed
	// TaskNumber is [Future.TaskNumber]; 0 if it was not submitted.
	TaskNumber uint64
}

// A SequenceError is why [Fn.Map] or [Fn.MapUnordered] has ended before every input had
// its result. It is of no one item, and unwraps to its reason.
type SequenceError struct{ Err error }

func (e *SequenceError) Error() string { return fmt.Sprintf("pool: map: %v", e.Err) }

func (e *SequenceError) Unwrap() error { return e.Err }

// Map hands every value of ins to p and yields the results in the order of
// their inputs. Inputs are pulled between yields on the caller's goroutine, up
// to a window ahead of the result being waited for, so a slow consumer holds the
// producer back. The window is a few tasks per worker, and grows while workers
// run dry before the caller comes back: up to 16 per worker where arguments or
// results have arrays, else 128. An item's own failure is yielded
// with its index and the sequence goes on. What ends all of it, the failure of the
// pool, the end of ctx, or [ErrFull] where futures of others take up the whole table,
// is yielded last, as a [*SequenceError] without an item. Leaving the loop returns at once and cancels the rest:
// running tasks finish unobserved and keep their pins until they do. OwnedViews in
// what was yielded are the caller's to release; the rest is the pool's.
func (f *Fn[In, Out]) Map(ctx context.Context, p *Pool, ins iter.Seq[In]) iter.Seq2[Item[Out], error] {
	type flight struct {
		Future[Out]
		err error
	}
	return func(yield func(Item[Out], error) bool) {
		size, most := p.windows(f.e)
		window := make([]flight, most) // a ring
		first, n, index := 0, 0, 0
		defer func() {
			for i := range n {
				if fl := window[(first+i)%most]; fl.err == nil {
					p.cancel(fl.id, true)
					fl.Discard()
				}
			}
		}()
		// deliver waits for the first and yields it. It reports whether to go on.
		deliver := func() bool {
			fl := &window[first]
			item, err := Item[Out]{Index: index, TaskNumber: fl.seq}, fl.err
			if err == nil {
				var dry bool
				item.Value, dry, err = fl.wait(ctx)
				if dry && n == size {
					size = min(2*size, most)
				}
			}
			end := err != nil && (ctx.Err() != nil || p.broken() != nil || errors.Is(err, ErrFull))
			if end {
				item, err = Item[Out]{}, &SequenceError{cmp.Or(ctx.Err(), err)}
			}
			if !end || fl.err != nil {
				first = (first + 1) % most
				n--
			}
			index++
			return yield(item, err) && !end
		}
		for in := range ins {
			fut, err := f.Submit(ctx, p, in)
			for errors.Is(err, ErrFull) && n > 0 {
				if !deliver() {
					return
				}
				fut, err = f.Submit(ctx, p, in)
			}
			window[(first+n)%most] = flight{fut, err}
			if n++; n == size && !deliver() {
				return
			}
		}
		for n > 0 && deliver() {
		}
	}
}

// windows are the sizes of Map's window at first and at most.
func (p *Pool) windows(e *entry) (size, most int) {
	most = 128 * p.opts.Workers
	if e.in.Arrays() || e.out.Arrays() {
		most = 16 * p.opts.Workers
	}
	return 4 * p.opts.Workers, most
}

// MapUnordered is [Fn.Map] but for the order: it yields each result as soon as it
// is there.
func (f *Fn[In, Out]) MapUnordered(ctx context.Context, p *Pool, ins iter.Seq[In]) iter.Seq2[Item[Out], error] {
	return func(yield func(Item[Out], error) bool) {
		size, most := p.windows(f.e)
		g := &completionSet{waiter: waiter{token: make(chan struct{}, 1)}}
		defer p.leave(g)
		index, n := 0, 0
		// deliver waits for any and yields it. It reports whether to go on.
		deliver := func() bool {
			t, err := p.awaitAny(ctx, g)
			if err != nil {
				yield(Item[Out]{}, &SequenceError{err})
				return false
			}
			item := Item[Out]{Index: t.tag, TaskNumber: t.number}
			var dry bool
			item.Value, dry, err = take[Out](p, f.e.out, t)
			end := err != nil && p.broken() != nil
			if end {
				item, err = Item[Out]{}, &SequenceError{err}
			}
			if dry && n == size {
				size = min(2*size, most)
			}
			n--
			return yield(item, err) && !end
		}
		for in := range ins {
			err := ctx.Err()
			if err == nil {
				_, _, err = submit(p, f.e, &in, g, index)
			}
			for errors.Is(err, ErrFull) && n > 0 {
				if !deliver() {
					return
				}
				_, _, err = submit(p, f.e, &in, g, index)
			}
			if err == nil {
				if n++; n == size && !deliver() {
					return
				}
			} else {
				item := Item[Out]{Index: index}
				end := ctx.Err() != nil || p.broken() != nil || errors.Is(err, ErrFull)
				if end {
					item, err = Item[Out]{}, &SequenceError{cmp.Or(ctx.Err(), err)}
				}
				if !yield(item, err) || end {
					return
				}
			}
			index++
		}
		for n > 0 && deliver() {
		}
	}
}

// awaitAny returns with p.mu held and a task of the set resolved and the
// caller's to free, or with an error and without p.mu.
func (p *Pool) awaitAny(ctx context.Context, g *completionSet) (*task, error) {
	done := ctx.Done()
	p.mu.Lock()
	g.hadToWait = false
	if !p.waitUnlocking(ctx, done, &g.waiter) {
		p.unlock()
		return nil, contextErr(ctx)
	}
	t := g.ready[0]
	t.hadToWait = g.hadToWait
	g.ready = append(g.ready[:0], g.ready[1:]...)
	g.over = len(g.ready) > 0
	return t, nil
}

// leave gives up what is left of a set.
func (p *Pool) leave(g *completionSet) {
	p.mu.Lock()
	var left []wire.TaskID
	for _, t := range p.tasks.all {
		if t.completions == g {
			left = append(left, t.id)
		}
	}
	p.unlock()
	for _, id := range left {
		p.cancel(id, true)
		p.discard(id)
	}
}
