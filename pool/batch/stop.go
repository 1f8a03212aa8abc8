package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/handoff/pool"
)

// A stopper ends a pass early. Any goroutine of the pass may call its methods.
type stopper struct {
	reading context.Context // ends when nothing new is to begin
	cancel  context.CancelCauseFunc
	pool    *pool.Pool
	once    sync.Once
}

// stop lets nothing new begin: chunks of which no worker has begun a task are given up,
// the others are finished.
func (s *stopper) stop(why error) {
	s.once.Do(func() {
		s.cancel(errStopped{why})
		s.pool.CancelQueued()
	})
}

// why returns the error that stop was first called with; nil without one. A drain may come
// after the last chunk too.
func (s *stopper) why() error {
	var stopped errStopped
	if errors.As(context.Cause(s.reading), &stopped) {
		return stopped.error
	}
	return nil
}

// errStopped ends the reading where the rest goes on.
type errStopped struct{ error }

func isStop(err error) bool {
	var s errStopped
	return errors.As(err, &s)
}

// watchDrain stops the pass when the job is to be drained, and fails it when that takes
// too long. The caller ends it.
func (p *passRun) watchDrain(fail context.CancelCauseFunc) (end func()) {
	job := p.e.job
	if job.Drain == nil {
		return func() {}
	}
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-ended:
			return
		case <-job.Drain:
			p.stop.stop(ErrDrained)
		}
		t := time.NewTimer(job.DrainTime)
		defer t.Stop()
		select {
		case <-ended:
		case <-t.C:
			fail(fmt.Errorf("%w: chunks that ran were not finished within %v", ErrDrained, job.DrainTime))
		}
	})
	return func() { close(ended); wg.Wait() }
}

// unfinished returns why not all chunks were done; nil if they were.
func (p *passRun) unfinished() error {
	if p.failed > 1 {
		return fmt.Errorf("%d chunks failed, the first with: %w", p.failed, p.failure)
	}
	if p.failed == 1 {
		return p.failure
	}
	return p.stop.why()
}
