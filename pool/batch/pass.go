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

// A passRun is one pass over the rows.
//
//	read ─▶ queue ─▶ dispatch ─▶ commits ─▶ commitAll
//
// Run's goroutine dispatches; what is below commits is its own.
type passRun struct {
	e      *engine
	n      int // which pass, from 0
	pass   *Pass
	done   map[int64]*commit // chunks that earlier runs have done; not changed
	chunks int64             // of the whole pass; set when read has ended
	stop   stopper
	group  group

	queue   *queue.Queue[*chunk]
	commits chan *commit

	inFlight []flight
	live     map[*chunk]bool // taken from the queue and not released
	merge    merger
	failed   int   // chunks
	failure  error // of the first of them
}

// A flight is a task that was submitted.
type flight struct {
	task
	wait Pending
	last bool // of its chunk
}

// runPass runs pass n over the chunks that are not done.
func (e *engine) runPass(ctx context.Context, n int) (err error) {
	p := &passRun{e: e, n: n, pass: &e.passes[n], commits: make(chan *commit, commitAhead), live: map[*chunk]bool{}}
	if p.queue, err = queue.New[*chunk](&queue.Options{MaxBytes: queueBytes}); err != nil {
		return err
	}
	p.merge.into = p.pass.Merge
	p.done = e.outputs.store.done(n)
	if err := p.checkDone(); err != nil {
		return err
	}
	e.tally.pass, e.tally.rows, e.tally.inPass = n+1, 0, 0
	for _, c := range p.done {
		e.tally.add(c)
		e.tally.reused++
	}
	if err := p.merge.all(p.done); err != nil {
		return err
	}
	if end := e.outputs.store.ended(n); end != nil {
		e.tally.rows = end.Rows
		e.source.restore(end)
		return nil
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	reading, stopRead := context.WithCancelCause(ctx)
	p.stop = stopper{reading: reading, cancel: stopRead, pool: e.pool}
	defer stopRead(nil)
	defer p.watchDrain(fail)()

	var wg sync.WaitGroup
	wg.Go(func() {
		defer p.queue.Close()
		if err := p.read(reading); err != nil {
			p.stop.stop(err)
			if !isStop(err) {
				fail(err)
			}
		}
	})
	wg.Go(func() { e.outputs.disk.do(func() { p.commitAll(ctx, fail) }) })
	if err := p.dispatch(ctx); err != nil {
		fail(err)
	}
	close(p.commits)
	wg.Wait()
	p.drop()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := p.unfinished(); err != nil {
		return err
	}
	return e.outputs.disk.try(p.end)
}

// add counts a chunk that is done.
func (t *tally) add(c *commit) {
	t.chunks++
	t.inPass++
	t.rows += c.rows - int64(len(t.quarantinedRows(c.input, c.first, c.rows)))
}

// end notes that a pass has done all its chunks.
func (p *passRun) end() error {
	if err := p.e.appendBad(); err != nil {
		return err
	}
	end := passRecord{Pass: p.n, Chunks: p.chunks, Rows: p.e.tally.rows}
	p.e.source.record(&end)
	return p.e.outputs.store.note(recordPass, end)
}

// checkDone compares what a journal says of the pass with what the pass is.
func (p *passRun) checkDone() error {
	for _, c := range p.done {
		if c.tasks != p.tasksPerPiece() || p.pass.Output == nil && len(c.extents) > 0 || p.pass.Output != nil && len(c.partials) > 0 {
			return fmt.Errorf("%w: chunk %d of pass %d is of another operation", errRecord, c.index, p.n)
		}
	}
	if end := p.e.outputs.store.ended(p.n); end != nil {
		for i := range end.Chunks {
			if p.done[i] == nil {
				return fmt.Errorf("%w: pass %d has ended without chunk %d", errRecord, p.n, i)
			}
		}
		if columns := len(p.e.source.text); int64(len(p.done)) != end.Chunks || len(end.Text) != columns {
			return fmt.Errorf("%w: pass %d has ended after %d chunks of %d columns, and there are %d of %d", errRecord, p.n, end.Chunks, len(end.Text), len(p.done), columns)
		}
	}
	return nil
}

// dispatch submits the tasks of the chunks and takes what comes back, in order.
func (p *passRun) dispatch(ctx context.Context) error {
	window := windowPerWorker * p.e.pool.Stats().Width
	for {
		c, err := p.queue.Get(ctx)
		if errors.Is(err, queue.ErrClosed) {
			break
		}
		if err != nil {
			return context.Cause(ctx)
		}
		p.live[c] = true
		if p.stop.reading.Err() != nil {
			continue
		}
		if err := p.submitChunk(ctx, c, window); err != nil {
			return err
		}
	}
	for len(p.inFlight) > 0 {
		if err := p.next(ctx); err != nil {
			return err
		}
	}
	return nil
}

// submitChunk submits the tasks of a chunk.
func (p *passRun) submitChunk(ctx context.Context, c *chunk, window int) error {
	c.cut(p.e.tally.quarantinedRows(c.input, c.first, c.rows))
	tasks := c.tasks(p.tasksPerPiece())
	if len(tasks) == 0 {
		return p.complete(ctx, c)
	}
	for i, t := range tasks {
		for len(p.inFlight) >= window {
			if err := p.next(ctx); err != nil {
				return err
			}
		}
		wait, err := p.start(ctx, t)
		if err != nil {
			return err
		}
		p.inFlight = append(p.inFlight, flight{t, wait, i == len(tasks)-1})
	}
	return nil
}

// next waits for the oldest task, and completes its chunk if it is the last of it.
func (p *passRun) next(ctx context.Context) error {
	f := p.inFlight[0]
	outcome, err := f.wait(ctx)
	p.inFlight = p.inFlight[1:]
	if err == nil {
		f.piece.outcomes[f.column] = outcome
	} else if err := p.taskFailed(ctx, f.task, err); err != nil {
		return err
	}
	if !f.last {
		return nil
	}
	return p.complete(ctx, f.chunk)
}

// taskFailed notes what a task's error means for its chunk. An error ends the job.
func (p *passRun) taskFailed(ctx context.Context, t task, err error) error {
	switch {
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case errors.Is(err, pool.ErrCancelled) && p.stop.reading.Err() != nil:
		t.chunk.cancelled = append(t.chunk.cancelled, t)
		return nil
	case p.e.job.Quarantine > 0 && errors.Is(err, pool.ErrWorkerDied):
		t.chunk.died = append(t.chunk.died, t)
		return nil
	}
	select {
	case <-p.e.pool.Done():
		return err
	default:
	}
	return p.chunkFailed(t.chunk, err)
}

// chunkFailed notes that a chunk has failed. An error ends the job.
func (p *passRun) chunkFailed(c *chunk, err error) error {
	err = fmt.Errorf("%s, rows %d to %d: %w", p.e.job.Inputs[c.input], c.first, c.first+c.rows, err)
	if p.e.job.Halt == "" || p.e.job.Halt == HaltNow {
		return err
	}
	if c.err == nil {
		c.err = err
	}
	if p.e.job.Halt == HaltSoon {
		p.stop.stop(err)
	}
	return nil
}

// complete takes what came of a chunk of which all tasks have ended.
func (p *passRun) complete(ctx context.Context, c *chunk) error {
	done, err := p.outcome(ctx, c)
	if err != nil || done == nil {
		return err
	}
	if p.pass.Output == nil {
		if err := p.merge.add(done); err != nil {
			return err
		}
		p.note(done)
	}
	p.e.tally.quarantined = append(p.e.tally.quarantined, done.quarantined...)
	p.e.tally.add(done)
	if p.pass.Output != nil {
		select {
		case p.commits <- done:
		case <-ctx.Done():
			done.release()
			p.stop.stop(context.Cause(ctx))
		}
	}
	if p.e.job.Progress != nil {
		c.progress.Rows = p.e.tally.rows
		p.e.job.Progress(c.progress)
	}
	return nil
}

// outcome releases a chunk and returns what is to be committed of it; nil if its tasks
// were cancelled, or it has failed and others go on. An error ends the job.
func (p *passRun) outcome(ctx context.Context, c *chunk) (*commit, error) {
	defer p.release(c)
	if c.allCancelled(p.tasksPerPiece()) {
		return nil, nil
	}
	if c.err == nil {
		if err := p.remedy(ctx, c); err != nil {
			if context.Cause(ctx) != nil {
				return nil, context.Cause(ctx)
			}
			if err := p.chunkFailed(c, err); err != nil {
				return nil, err
			}
		}
	}
	if c.err != nil {
		p.failed++
		if p.failure == nil {
			p.failure = c.err
		}
		return nil, nil
	}
	return p.newCommit(ctx, c), nil
}

// newCommit moves the outcomes of a chunk into what is to be committed.
func (p *passRun) newCommit(ctx context.Context, c *chunk) *commit {
	done := &commit{
		pass: p.n, index: c.index, input: c.input, first: c.first, rows: c.rows, quarantined: c.quarantined, tasks: p.tasksPerPiece(),
	}
	for _, piece := range c.pieces {
		var out outRows
		for _, o := range piece.outcomes {
			if p.pass.Output == nil {
				done.partials = append(done.partials, o.Partial)
			}
			out.columns = append(out.columns, o.Output...)
		}
		piece.outcomes = nil
		if p.pass.Output != nil {
			p.format(ctx, &out)
			done.output = append(done.output, out)
		}
	}
	return done
}

// release gives back what a chunk holds.
func (p *passRun) release(c *chunk) {
	delete(p.live, c)
	c.release()
}

// drop gives back what a pass that has ended early still holds. Tasks have pins of
// their own.
func (p *passRun) drop() {
	for c := range p.live {
		c.release()
	}
	for { // the reader has ended, so the queue is closed
		c, err := p.queue.Get(context.Background())
		if err != nil {
			return
		}
		c.release()
	}
}
