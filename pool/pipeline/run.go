package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"example.com/handoff/pool"
)

// A run is the state of a pipeline between the start and the end of Drain.
type run struct {
	pl     *Pipeline
	parent context.Context
	ctx    context.Context // ends with parent, with the first error, and with the run
	cancel context.CancelFunc
	all    sync.WaitGroup // of the goroutines
	budget *budget
	begun  time.Time
	self   time.Duration // CPU time of this process when it began
	users  map[*pool.Pool]*workerUse

	skipMu sync.Mutex // one call of Options.SkipErrors at a time

	mu  sync.Mutex
	err error // the first
}

// Drain runs the whole pipeline, once: write gets what comes out of last, item by item,
// on the caller's goroutine. It returns nil when the source has ended and write has had
// everything; or, early, the first error: a [*StageError] of a stage, of the source or
// of write itself, or ctx's. Either way the goroutines of the pipeline have ended,
// what was on its way was released, and tasks that still ran are cancelled; these finish
// unobserved, keep their arguments pinned until they do, and lose their worker if that
// takes longer than Options.Timeouts.Cancel.
//
// write gets a context that ends with the pipeline, as stages do, and leaves early by an
// error. A panic in it is its error; runtime.Goexit, as of t.FailNow, ends the pipeline on
// its way.
//
// Drain panics if last has a stage already or the pipeline was run, and is an error if the
// output of another stage goes nowhere, or an option or a width is negative.
func Drain[T any](ctx context.Context, last *Flow[T], write func(ctx context.Context, v T) error) (err error) {
	if last == nil || write == nil {
		panic("pipeline: Drain: the flow or the function is nil")
	}
	s := last.pl.add(writeName, KindWrite, 1)
	last.take(last.pl, s)
	r, err := last.pl.begin(ctx)
	if err != nil {
		return err
	}
	defer func() { err = r.end() }()
	for it, err := range last.queue.All(r.ctx) {
		if err != nil {
			r.stopped()
			break
		}
		s.in.Add(1)
		if !writeOne(r, s, it, write) {
			break
		}
		s.out.Add(1)
	}
	return nil
}

// writeOne hands one item to write and ends it.
func writeOne[T any](r *run, s *stage, it item[T], write func(context.Context, T) error) (ok bool) {
	err, returned := error(nil), false
	s.work()
	defer func() {
		s.rest()
		if !returned {
			err = broken(recover())
		}
		if err != nil {
			r.fail(&StageError{s.name, it.number, err})
		}
		r.drop(it.held, it.at, it.bytes)
		ok = err == nil
	}()
	err = write(context.WithValue(r.ctx, holdKey{}, it.held), it.v)
	returned = true
	return true
}

// begin starts the stages.
func (pl *Pipeline) begin(ctx context.Context) (*run, error) {
	r, err := pl.prepare(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range pl.stages[:len(pl.stages)-1] {
		s.start(r)
	}
	return r, nil
}

// prepare makes the run. There is one Drain: another stage of its name panics.
func (pl *Pipeline) prepare(ctx context.Context) (*run, error) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	if pl.bad != nil {
		return nil, pl.bad
	}
	if pl.stages[0].kind != KindSource {
		return nil, errors.New("pipeline: Drain: the pipeline has no source: declare it with From first")
	}
	for i, f := range pl.flows {
		if !f.ended() {
			return nil, fmt.Errorf("pipeline: Drain: nobody takes what comes out of stage %q: drain that", pl.stages[i].name)
		}
	}
	r := &run{pl: pl, parent: ctx, begun: time.Now(), budget: newBudget(pl.opts.MaxBytes, len(pl.flows)), users: map[*pool.Pool]*workerUse{}}
	for _, s := range pl.stages {
		if s.pool != nil && r.users[s.pool] == nil {
			r.users[s.pool] = newWorkerUse(s.pool)
		}
	}
	r.ctx, r.cancel = context.WithCancel(ctx)
	r.self = selfCPU()
	for _, f := range pl.flows {
		if err := f.open(r); err != nil {
			return nil, err
		}
	}
	pl.run = r
	return r, nil
}

// end waits for everything, and releases what is left.
func (r *run) end() error {
	r.cancel()
	r.all.Wait()
	for _, f := range r.pl.flows {
		f.flush(r)
	}
	stats := r.pl.Stats()
	stats.Running = false
	r.pl.mu.Lock()
	r.pl.final = &stats
	r.pl.mu.Unlock()
	stats.log(r.pl.opts.Logger, r.err)
	return r.err
}

// fail ends the run with the first error.
func (r *run) fail(err error) {
	r.mu.Lock()
	if r.err == nil {
		if ended := r.parent.Err(); ended != nil { // the rest follows from it
			err = fmt.Errorf("pipeline: %w", ended)
		}
		r.err = err
	}
	r.mu.Unlock()
	r.cancel()
}

// failItem leaves an item out, or ends the run, as Options.SkipErrors says.
func (r *run) failItem(s *stage, failed *StageError) {
	if r.pl.opts.SkipErrors == nil || r.ctx.Err() != nil || s.poolEnded() {
		r.fail(failed)
		return
	}
	if err := r.skip(failed); err != nil {
		r.fail(err)
		return
	}
	s.failed.Add(1)
}

// skip asks Options.SkipErrors, which may break down.
func (r *run) skip(failed *StageError) (err error) {
	r.skipMu.Lock()
	defer r.skipMu.Unlock()
	returned := false
	defer func() {
		if !returned {
			err = fmt.Errorf("pipeline: SkipErrors: %w", broken(recover()))
		}
	}()
	err = r.pl.opts.SkipErrors(failed)
	returned = true
	return err
}

// poolEnded reports whether the stage's pool runs no more tasks.
func (s *stage) poolEnded() bool {
	if s.pool == nil {
		return false
	}
	select {
	case <-s.pool.Done():
		return true
	default:
		return false
	}
}

// stopped is for whoever leaves early because the run's context has ended.
func (r *run) stopped() { r.fail(r.ctx.Err()) }

// drop ends an item.
func (r *run) drop(h *holds, at int, bytes int64) {
	if err := h.release(); err != nil {
		r.fail(fmt.Errorf("pipeline: %w", err))
	}
	r.budget.leave(at, bytes)
}

// pull is the source's goroutine.
func pull[T any](r *run, s *stage, out *Flow[T], seq iter.Seq2[T, error]) {
	number, returned, working := int64(0), false, true
	s.work()
	defer func() {
		if working {
			s.rest()
		}
		if !returned {
			r.fail(&StageError{s.name, number, broken(recover())})
		}
		out.queue.Close()
	}()
	for v, err := range seq {
		heap, arrays := int64(0), int64(0)
		if err == nil {
			heap, arrays = out.size(&v)
		}
		s.rest()
		working = false
		if err != nil {
			r.fail(&StageError{s.name, number, err})
			break
		}
		it := item[T]{v: v, number: number, bytes: charge(heap, arrays, 0), held: &holds{}}
		if r.budget.enter(r.ctx, 0, it.bytes) != nil {
			r.stopped()
			break
		}
		if out.queue.Put(r.ctx, it, it.bytes) != nil {
			r.drop(it.held, 0, it.bytes)
			r.stopped()
			break
		}
		s.out.Add(1)
		number++
		s.work()
		working = true
	}
	returned = true
}
