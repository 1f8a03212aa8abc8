package pipeline

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"example.com/handoff/pool"
)

// A stage is the part of a stage that does not depend on its types.
type stage struct {
	name  string
	kind  Kind
	width int // as declared
	at    int // its gate, and its place in the chain
	pool  *pool.Pool
	start func(r *run)

	in, out atomic.Int64 // items taken, and handed on
	failed  atomic.Int64 // and left out, by Options.SkipErrors
	largest atomic.Int64 // bytes of a result: the most, lately

	slots chan struct{} // holds one for each item under way

	mu   sync.Mutex
	busy busyClock
}

// A runner runs a stage's function for one item.
type runner[In, Out any] func(ctx context.Context, it *item[In]) (Out, error)

// A finished item is handed on, or has failed.
type finished[T any] struct {
	item[T]
	ok bool
}

// runStage starts a stage: one goroutine takes items, each item has one, and in an
// ordered pipeline one hands them on.
func runStage[In, Out any](r *run, s *stage, in *Flow[In], out *Flow[Out], do runner[In, Out]) {
	if r.pl.opts.Unordered {
		r.all.Go(func() {
			var items sync.WaitGroup
			for s.acquire(r) {
				it, reserved, ok := takeItem(r, s, in)
				if !ok {
					break
				}
				items.Go(func() {
					defer s.release()
					runItem(r, s, out, it, reserved, do, func(f finished[Out]) { handOn(r, s, out, f) })
				})
			}
			items.Wait()
			out.queue.Close()
		})
		return
	}
	window := r.pl.opts.Window
	if window == 0 {
		window = 4 * s.width
	}
	places := make(chan struct{}, window)         // one is taken for each item until it is handed on
	line := make(chan chan finished[Out], window) // in the order of the source
	place := func() bool {
		select {
		case places <- struct{}{}:
			return true
		case <-r.ctx.Done():
			r.stopped()
			return false
		}
	}
	r.all.Go(func() {
		for place() && s.acquire(r) {
			it, reserved, ok := takeItem(r, s, in)
			if !ok {
				break
			}
			done := make(chan finished[Out], 1)
			line <- done
			r.all.Go(func() {
				defer s.release()
				runItem(r, s, out, it, reserved, do, func(f finished[Out]) { done <- f })
			})
		}
		close(line)
	})
	r.all.Go(func() {
		for done := range line {
			handOn(r, s, out, <-done)
			<-places
		}
		out.queue.Close()
	})
}

// takeItem takes the next item through the stage's gate, charged with its result too.
func takeItem[In any](r *run, s *stage, in *Flow[In]) (it item[In], reserved int64, ok bool) {
	it, err := in.queue.Get(r.ctx)
	if err != nil {
		if r.ctx.Err() != nil {
			r.stopped()
		}
		return it, 0, false
	}
	reserved = s.largest.Load()
	if reserved == 0 {
		reserved = it.bytes
	}
	if r.budget.enter(r.ctx, s.at, reserved) != nil {
		r.drop(it.held, it.at, it.bytes)
		r.stopped()
		return it, 0, false
	}
	it.at = s.at
	s.in.Add(1)
	return it, reserved, true
}

// runItem runs the function and tells next, however it ends.
func runItem[In, Out any](r *run, s *stage, out *Flow[Out], it item[In], reserved int64, do runner[In, Out], next func(finished[Out])) {
	var v Out
	var err error
	heap, arrays, returned := int64(0), int64(0), false
	s.work()
	defer func() {
		s.rest()
		if !returned {
			err = broken(recover())
		}
		if err != nil {
			r.failItem(s, &StageError{s.name, it.number, err})
			r.drop(it.held, s.at, it.bytes+reserved)
			next(finished[Out]{})
			return
		}
		bytes := charge(heap, arrays, it.held.bytes())
		if n := s.largest.Load(); bytes > n || n > 0 { // a lost update is no matter
			s.largest.Store(max(bytes, n-n/16))
		}
		r.budget.change(bytes - it.bytes - reserved)
		next(finished[Out]{item[Out]{v, it.number, s.at, bytes, it.held}, true})
	}()
	if v, err = do(r.ctx, &it); err == nil {
		heap, arrays = out.size(&v)
	}
	returned = true
}

// handOn puts an item into the next queue, or drops it.
func handOn[T any](r *run, s *stage, out *Flow[T], f finished[T]) {
	switch {
	case !f.ok:
	case out.queue.Put(r.ctx, f.item, f.bytes) != nil:
		r.drop(f.held, f.at, f.bytes)
		r.stopped()
	default:
		s.out.Add(1)
	}
}

// acquire takes a slot, or reports that the run has ended.
func (s *stage) acquire(r *run) bool {
	select {
	case s.slots <- struct{}{}:
		return true
	case <-r.ctx.Done():
		r.stopped()
		return false
	}
}

func (s *stage) release() { <-s.slots }

// work and rest frame the time for which a slot is busy.
func (s *stage) work() {
	now := time.Now()
	s.mu.Lock()
	s.busy.enter(now)
	s.mu.Unlock()
}

func (s *stage) rest() {
	now := time.Now()
	s.mu.Lock()
	s.busy.leave(now)
	s.mu.Unlock()
}
