package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"example.com/handoff/pool"
	"example.com/handoff/pool/queue"
)

// queueBytes bounds the chunks that were read and have no worker yet.
const queueBytes = 16 << 20

// windowPerWorker bounds the tasks in flight: enough that no worker waits for
// the dispatcher.
const windowPerWorker = 16

// commitAhead bounds the chunks that are done and not committed yet.
const commitAhead = 16

// A passRun is one pass over the rows, on its way.
//
//	read ─▶ queue ─▶ dispatch ─▶ commits ─▶ commit
type passRun struct {
	*engine
	n       int // which pass, from 0
	pass    *Pass
	done    map[int64]*commit // chunks that earlier runs have done
	queue   *queue.Queue[*chunk]
	commits chan *commit

	groupMu sync.Mutex
	group   [][]byte // records of chunks that are written and not durable yet

	whole int64 // chunks of the whole pass; written by read

	inFlight []flight
	live     map[*chunk]bool // handed out and not complete
	rows     int64           // done, by earlier runs too
	merge    merger
	failed   int   // chunks
	failure  error // of the first of them

	reading  context.Context // ends when nothing new is to begin
	stopOnce sync.Once
	stopRead context.CancelCauseFunc
	stopped  error // why; read when reading has ended
}

// A flight is a work in a worker's hands.
type flight struct {
	work
	wait Pending
	last bool // of its chunk
}

// runPass runs pass n over the chunks that are not done.
func (e *engine) runPass(ctx context.Context, n int) error {
	r := &passRun{engine: e, n: n, pass: &e.passes[n], commits: make(chan *commit, commitAhead), live: map[*chunk]bool{}}
	r.queue = queue.New[*chunk](&queue.Options{MaxBytes: queueBytes})
	r.merge.into = r.pass.Merge
	r.done = e.store.done(n)
	e.pass, e.inPass = n+1, int64(len(r.done))
	if err := r.checkDone(); err != nil {
		return err
	}
	for _, c := range r.done {
		r.rows += r.rowsKept(c.input, c.first, c.rows)
		e.chunks++
		e.reused++
	}
	e.rows = r.rows
	if err := r.merge.all(r.done); err != nil {
		return err
	}
	if end := e.store.ended(n); end != nil {
		e.restore(end)
		return nil
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	reading, stopRead := context.WithCancelCause(ctx)
	r.reading, r.stopRead = reading, stopRead
	defer stopRead(nil)
	defer r.watchDrain(fail)()

	var wg sync.WaitGroup
	wg.Go(func() {
		defer r.queue.Close()
		if err := r.read(reading); err != nil {
			r.stop(err)
			if !r.isStop(err) {
				fail(err)
			}
		}
	})
	wg.Go(func() { r.disk.do(func() { r.commitAll(ctx, fail) }) })
	if err := r.dispatch(ctx); err != nil {
		fail(err)
	}
	close(r.commits)
	wg.Wait()
	r.drop()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := r.unfinished(); err != nil {
		return err
	}
	return e.endPass(r)
}

// checkDone holds what a journal says of the pass against what the pass is.
func (r *passRun) checkDone() error {
	for _, c := range r.done {
		if c.units != r.units() || r.pass.Output == nil && len(c.extents) > 0 || r.pass.Output != nil && len(c.partials) > 0 {
			return fmt.Errorf("%w: chunk %d of pass %d is of another operation", errRecord, c.index, r.n)
		}
	}
	if end := r.store.ended(r.n); end != nil {
		for i := range end.Chunks {
			if r.done[i] == nil {
				return fmt.Errorf("%w: pass %d has ended without chunk %d", errRecord, r.n, i)
			}
		}
		if int64(len(r.done)) != end.Chunks || len(end.Text) != len(r.text) {
			return fmt.Errorf("%w: pass %d has ended after %d chunks of %d columns, and there are %d of %d", errRecord, r.n, end.Chunks, len(end.Text), len(r.done), len(r.text))
		}
	}
	return nil
}

// dispatch hands the chunks out and takes what comes back, in order.
func (r *passRun) dispatch(ctx context.Context) error {
	window := windowPerWorker * r.pool.Stats().Width
	for {
		c, err := r.queue.Get(ctx)
		if errors.Is(err, queue.ErrClosed) {
			break
		}
		if err != nil {
			return context.Cause(ctx)
		}
		r.live[c] = true
		if r.reading.Err() != nil {
			continue
		}
		if err := r.hand(ctx, c, window); err != nil {
			return err
		}
	}
	for len(r.inFlight) > 0 {
		if err := r.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// hand submits a chunk's work.
func (r *passRun) hand(ctx context.Context, c *chunk, window int) error {
	c.cut(r.leftRows(c))
	if len(c.pieces) == 0 || r.units() == 0 {
		return r.complete(ctx, c)
	}
	for _, p := range c.pieces {
		for unit := range r.units() {
			for len(r.inFlight) >= window {
				if err := r.next(ctx); err != nil {
					return err
				}
			}
			wait, err := r.start(ctx, c, unit, p)
			if err != nil {
				return err
			}
			r.inFlight = append(r.inFlight, flight{work{c, p, unit}, wait, false})
		}
	}
	r.inFlight[len(r.inFlight)-1].last = true
	return nil
}

// next waits for the oldest task, and completes its chunk if it is the last of it.
func (r *passRun) next(ctx context.Context) error {
	f := r.inFlight[0]
	part, err := f.wait(ctx)
	r.inFlight = r.inFlight[1:]
	if err == nil {
		f.piece.parts = append(f.piece.parts, part)
	} else if err := r.taskFailed(ctx, f.work, err); err != nil {
		return err
	}
	if !f.last {
		return nil
	}
	return r.complete(ctx, f.chunk)
}

// taskFailed notes what a task's error means for its chunk; with an error it is the job's.
func (r *passRun) taskFailed(ctx context.Context, w work, err error) error {
	switch {
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case errors.Is(err, pool.ErrCancelled) && r.reading.Err() != nil:
		w.chunk.unrun = append(w.chunk.unrun, w)
		w.piece.parts = append(w.piece.parts, Part{})
		return nil
	case r.job.Quarantine > 0 && errors.Is(err, pool.ErrWorkerDied):
		w.chunk.sick = append(w.chunk.sick, w)
		w.piece.parts = append(w.piece.parts, Part{})
		return nil
	}
	select {
	case <-r.pool.Done():
		return err
	default:
	}
	w.piece.parts = append(w.piece.parts, Part{})
	return r.chunkFailed(w.chunk, err)
}

// chunkFailed is an error if the job ends at once.
func (r *passRun) chunkFailed(c *chunk, err error) error {
	err = fmt.Errorf("%s, rows %d to %d: %w", r.job.Inputs[c.input], c.first, c.first+c.rows, err)
	if r.job.Halt == "" || r.job.Halt == HaltNow {
		return err
	}
	if c.err == nil {
		c.err = err
	}
	if r.job.Halt == HaltSoon {
		r.stop(err)
	}
	return nil
}

// complete takes what came of a chunk.
func (r *passRun) complete(ctx context.Context, c *chunk) error {
	if c.notBegun(r.units()) {
		r.end(c)
		return nil
	}
	if c.err == nil {
		if err := r.mend(ctx, c); err != nil {
			if context.Cause(ctx) != nil {
				return context.Cause(ctx)
			}
			if err := r.chunkFailed(c, err); err != nil {
				return err
			}
		}
	}
	if c.err != nil {
		r.failed++
		if r.failure == nil {
			r.failure = c.err
		}
		r.end(c)
		return nil
	}
	done := &commit{pass: r.n, index: c.index, input: c.input, first: c.first, rows: c.rows, left: c.left, units: r.units()}
	for _, p := range c.pieces {
		b := block{}
		for _, part := range p.parts {
			b.outs = append(b.outs, part.Output...)
			if r.pass.Output == nil {
				done.partials = append(done.partials, part.Partial)
			}
		}
		p.parts = nil
		if r.pass.Output != nil {
			if len(b.outs) > 0 {
				b.rows = int64(b.outs[0].array.Len())
			}
			done.blocks = append(done.blocks, r.format(ctx, b))
		}
	}
	if r.pass.Output == nil {
		if err := r.merge.add(done); err != nil {
			return err
		}
		r.note(done)
	}
	r.left = append(r.left, c.left...)
	r.end(c)
	r.rows += r.rowsKept(c.input, c.first, c.rows)
	r.engine.chunks++
	r.engine.inPass++
	r.engine.rows = r.rows
	if r.pass.Output != nil {
		select {
		case r.commits <- done:
		case <-ctx.Done():
			done.release()
			r.stop(context.Cause(ctx))
		}
	}
	if r.job.Progress != nil {
		c.where.Rows = r.rows
		r.job.Progress(c.where)
	}
	return nil
}

// end gives back what a chunk holds.
func (r *passRun) end(c *chunk) {
	delete(r.live, c)
	c.release()
}

// drop gives back what a pass that has ended early still holds. Tasks have pins of
// their own.
func (r *passRun) drop() {
	for c := range r.live {
		c.release()
	}
	for { // the reader has ended, so the queue is closed
		c, err := r.queue.Get(context.Background())
		if err != nil {
			return
		}
		c.release()
	}
}
