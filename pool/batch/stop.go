package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/handoff/pool"
)

// stop lets nothing new begin: chunks of which no worker has begun a task are given up,
// the others are finished.
func (r *passRun) stop(why error) {
	r.stopOnce.Do(func() {
		r.stopped = why
		r.stopRead(errStopped{why})
		r.pool.CancelQueued()
	})
}

// errStopped ends the reading where the rest goes on.
type errStopped struct{ error }

func (r *passRun) isStop(err error) bool {
	var s errStopped
	return errors.As(err, &s)
}

// watchDrain stops when the job is to be drained, and fails it when that takes too
// long. The caller ends it.
func (r *passRun) watchDrain(fail context.CancelCauseFunc) (end func()) {
	if r.job.Drain == nil {
		return func() {}
	}
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-ended:
			return
		case <-r.job.Drain:
			r.stop(ErrDrained)
		}
		t := time.NewTimer(r.job.DrainTime)
		defer t.Stop()
		select {
		case <-ended:
		case <-t.C:
			fail(fmt.Errorf("%w: chunks that ran were not finished within %v", ErrDrained, r.job.DrainTime))
		}
	})
	return func() { close(ended); wg.Wait() }
}

// unfinished is why not all chunks were done; nil if they were.
func (r *passRun) unfinished() error {
	if r.failed > 1 {
		return fmt.Errorf("%d chunks failed, the first with: %w", r.failed, r.failure)
	}
	if r.failed == 1 {
		return r.failure
	}
	return r.stopped
}

// start submits a task of a chunk that is handed out, unless nothing new is to begin.
func (r *passRun) start(ctx context.Context, c *chunk, unit int, p *piece) (Pending, error) {
	if r.reading.Err() != nil {
		return func(context.Context) (Part, error) { return Part{}, pool.ErrCancelled }, nil
	}
	wait, err := r.submit(ctx, c, unit, p.from, p.to)
	if r.reading.Err() != nil { // stop may not have seen this task
		r.pool.CancelQueued()
	}
	return wait, err
}

// insist is submit for a chunk that runs: the task is not given up when the job is
// stopped while it is queued.
func (r *passRun) insist(ctx context.Context, c *chunk, unit int, from, to int64) (Pending, error) {
	wait, err := r.submit(ctx, c, unit, from, to)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (Part, error) {
		part, err := wait(ctx)
		for errors.Is(err, pool.ErrCancelled) && context.Cause(ctx) == nil {
			if wait, err = r.submit(ctx, c, unit, from, to); err == nil {
				part, err = wait(ctx)
			}
		}
		return part, err
	}, nil
}

// notBegun reports whether all tasks of a chunk, units for each piece, were given up.
func (c *chunk) notBegun(units int) bool {
	return c.err == nil && len(c.unrun) > 0 && len(c.unrun) == len(c.pieces)*units
}

// mend does what is left to do for a chunk of which all tasks have ended: those that
// were given up though others of the chunk had begun, and those whose workers have died.
func (r *passRun) mend(ctx context.Context, c *chunk) error {
	if len(c.sick) == 0 { // else cure does them all
		if err := r.runRest(ctx, c); err != nil {
			return err
		}
	}
	if len(c.sick) > 0 {
		return r.cure(ctx, c)
	}
	return nil
}

// runRest does the tasks of a chunk that were given up.
func (r *passRun) runRest(ctx context.Context, c *chunk) error {
	var waits []Pending
	for i, w := range c.unrun {
		for n := len(waits); n < len(c.unrun) && n < i+windowPerWorker; n++ {
			next := c.unrun[n]
			wait, err := r.insist(ctx, c, next.unit, next.piece.from, next.piece.to)
			if err != nil {
				return err
			}
			waits = append(waits, wait)
		}
		part, err := waits[i](ctx)
		switch {
		case err == nil:
			w.piece.parts[w.unit] = part
		case r.job.Quarantine > 0 && errors.Is(err, pool.ErrWorkerDied):
			c.sick = append(c.sick, w)
		default:
			return err
		}
	}
	return nil
}
