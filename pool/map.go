package pool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
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
//
// Of what goes by value the window holds at most 64 MiB, and half of
// Options.Arenas.Inputs.MaxBytes, but as many tasks as there are workers and one more. Where
// arguments find no room in the arena, Map waits for its own tasks to end.
func (f *Fn[In, Out]) Map(ctx context.Context, p *Pool, ins iter.Seq[In]) iter.Seq2[Item[Out], error] {
	type flight struct {
		Future[Out]
		bytes int64
		err   error
	}
	return func(yield func(Item[Out], error) bool) {
		w := p.window(f.e)
		window := make([]flight, w.most) // a ring
		first, index := 0, 0
		defer func() {
			for i := range w.n {
				if fl := window[(first+i)%w.most]; fl.err == nil {
					p.cancel(fl.id, true)
					fl.Discard()
				}
			}
		}()
		// deliver waits for the first and yields it. It reports whether to go on.
		deliver := func() bool {
			fl := &window[first]
			item, err := Item[Out]{Index: index, TaskNumber: fl.seq}, fl.err
			var how taken
			if err == nil {
				item.Value, how, err = fl.wait(ctx)
			}
			end := err != nil && (ctx.Err() != nil || p.broken() != nil || errors.Is(err, ErrFull))
			if end {
				item, err = Item[Out]{}, &SequenceError{cmp.Or(ctx.Err(), err)}
			}
			if !end || fl.err != nil {
				first = (first + 1) % w.most
				w.taken(fl.bytes, how)
			}
			index++
			return yield(item, err) && !end
		}
		for in := range ins {
			s, err := submit(ctx, p, f.e, &in, 0, nil, 0)
			for w.waitsOver(err) {
				if !deliver() {
					return
				}
				s, err = submit(ctx, p, f.e, &in, 0, nil, 0)
			}
			window[(first+w.n)%w.most] = flight{Future[Out]{p: p, plan: f.e.out, id: s.id, seq: s.number}, s.bytes, err}
			for w.entered(s.bytes); w.full(); {
				if !deliver() {
					return
				}
			}
		}
		for w.n > 0 && deliver() {
		}
	}
}

// A mapWindow bounds the tasks of a Map that are submitted and not yet delivered.
type mapWindow struct {
	n, size, most int   // tasks: now, at most as it is now, and at most
	least         int   // however large they are
	bytes         int64 // of their arguments, by value
	mostBytes     int64 // of these and of results
	resultBytes   int64 // of the largest result so far
}

// windowBytes bounds what goes by value in one Map at a time: enough for the cost of a task
// to be nothing beside that of its bytes.
const windowBytes = 64 << 20

func (p *Pool) window(e *entry) *mapWindow {
	w := &mapWindow{size: 4 * p.opts.Workers, most: 128 * p.opts.Workers, least: p.opts.Workers + 1, mostBytes: windowBytes}
	if e.in.Arrays() || e.out.Arrays() {
		w.most = 16 * p.opts.Workers
	}
	if a := p.opts.Arenas.Inputs; a != nil && a.MaxBytes > 0 {
		w.mostBytes = min(w.mostBytes, a.MaxBytes/2)
	}
	return w
}

// entered counts a task in.
func (w *mapWindow) entered(bytes int64) {
	w.n++
	w.bytes += bytes
}

// taken counts a task off whose result was taken.
func (w *mapWindow) taken(bytes int64, how taken) {
	if how.dry && w.n == w.size {
		w.size = min(2*w.size, w.most)
	}
	w.n--
	w.bytes -= bytes
	w.resultBytes = max(w.resultBytes, how.bytes)
}

// full reports whether a result is to be waited for before the next task.
func (w *mapWindow) full() bool {
	return w.n >= w.size || w.n >= w.least && w.bytes+int64(w.n)*w.resultBytes > w.mostBytes
}

// waitsOver reports whether a Submit has failed for want of what tasks of the window hold: a
// place in the table, or memory for arguments.
func (w *mapWindow) waitsOver(err error) bool {
	return w.n > 0 && (errors.Is(err, ErrFull) || errors.Is(err, shm.ErrFull) && !errors.Is(err, ErrTooLarge))
}

// MapUnordered is [Fn.Map] but for the order: it yields each result as soon as it
// is there.
func (f *Fn[In, Out]) MapUnordered(ctx context.Context, p *Pool, ins iter.Seq[In]) iter.Seq2[Item[Out], error] {
	return func(yield func(Item[Out], error) bool) {
		w := p.window(f.e)
		g := &completionSet{waiter: waiter{token: make(chan struct{}, 1)}}
		defer p.leave(g)
		index := 0
		// deliver waits for any and yields it. It reports whether to go on.
		deliver := func() bool {
			t, err := p.awaitAny(ctx, g)
			if err != nil {
				yield(Item[Out]{}, &SequenceError{err})
				return false
			}
			item, bytes := Item[Out]{Index: t.tag, TaskNumber: t.number}, t.args.valueBytes
			var how taken
			item.Value, how, err = take[Out](p, f.e.out, t)
			end := err != nil && p.broken() != nil
			if end {
				item, err = Item[Out]{}, &SequenceError{err}
			}
			w.taken(bytes, how)
			return yield(item, err) && !end
		}
		for in := range ins {
			s, err := submit(ctx, p, f.e, &in, 0, g, index)
			for w.waitsOver(err) {
				if !deliver() {
					return
				}
				s, err = submit(ctx, p, f.e, &in, 0, g, index)
			}
			if err == nil {
				for w.entered(s.bytes); w.full(); {
					if !deliver() {
						return
					}
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
		for w.n > 0 && deliver() {
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
