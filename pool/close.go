package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"example.com/handoff/pool/internal/hook"
	"example.com/handoff/pool/internal/wire"
)

// Close ends the pool: tasks that no worker has resolve with [ErrClosed],
// running ones may finish for Options.Timeouts.Close or until ctx ends, then their
// workers are terminated and their tasks resolve with ErrClosed too. When Close
// returns, the workers are gone and the arenas' memory is removed; arrays that
// are still pinned, and OwnedViews of results until their Release, stay readable here.
// A result with OwnedViews that nobody waits for by then is given up.
//
// Close also waits until Options.OnEvent, OnAttempt and Logger have heard of everything,
// and Output's Write has returned, but for one that has called Close itself. One that has
// not returned half a second after ctx has ended, or takes longer than Timeouts.Close, and
// than half a second, for one call, is left behind with the calls that wait: the error
// says which and how many, and wraps the cause of ctx's end. If it returns after all, it
// gets them still.
//
// With Isolation = Goroutine a running task cannot be ended: Close then reports it as an
// error, as it does worker processes that have not died 10 s after they were killed,
// held by a debugger or the kernel.
//
// It is safe to call twice and from several goroutines: the first closes the pool, and
// the others wait for it until their own ctx ends.
func (p *Pool) Close(ctx context.Context) error {
	p.end(ErrClosed)
	hook.Leave(p.hooks.all()...)
	if p.ending.closing.Swap(true) {
		select {
		case <-p.ending.closed:
		case <-ctx.Done():
			if !hasEnded(p.ending.closed) {
				return fmt.Errorf("pool: close: an earlier Close has not returned: %w", context.Cause(ctx))
			}
		}
		return p.ending.result
	}
	defer close(p.ending.closed)
	gone := make(chan struct{})
	go func() { p.ending.owners.Wait(); close(gone) }()
	err := errors.Join(p.endWorkers(ctx, gone), p.undead())
	p.stopDispatch()
	p.giveUpResults()
	p.large.copyOut(nil)
	late, cancel := stepAfter(ctx)
	defer cancel()
	longest := max(p.opts.Timeouts.Close, closeStep)
	err = errors.Join(err, hook.Wait(late, longest, p.hooks.all()...))
	p.starter.Stop()
	if p.opts.Isolation == Goroutine {
		err = errors.Join(err, errors.Join(runTeardown(late, p.opts.Timeouts.Close)...))
	}
	p.ending.result = errors.Join(err, p.ranges.control.End(), p.segments.close())
	return p.ending.result
}

// stepAfter is a context that ends closeStep after ctx: what would end by itself has
// time to.
func stepAfter(ctx context.Context) (context.Context, func()) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(closeStep):
			cancel(context.Cause(ctx))
		case <-late.Done():
		}
	})
	return late, func() { stop(); cancel(nil) }
}

// closeStep bounds the wait after each of Close's stronger means: cancelling, killing.
const closeStep = 500 * time.Millisecond

// endWorkers asks, then cancels and terminates, then kills.
func (p *Pool) endWorkers(ctx context.Context, gone chan struct{}) error {
	wait := func(ctx context.Context, d time.Duration) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-gone:
			return true
		case <-ctx.Done():
		case <-timer.C:
		}
		return false
	}
	if wait(ctx, p.opts.Timeouts.Close) {
		return nil
	}
	p.hooks.log(slog.LevelWarn, "closing: workers that have not finished their task, or Teardown, are terminated", "waited", p.opts.Timeouts.Close)
	p.each((*worker).terminateLocked)
	if wait(context.Background(), closeStep) {
		return nil
	}
	p.each(func(w *worker) { w.proc.Kill() })
	if p.opts.Isolation == Process {
		<-gone // within killTime
		return nil
	}
	if wait(context.Background(), closeStep) {
		return nil
	}
	return fmt.Errorf("pool: close: a task still runs and goroutines cannot be killed")
}

// undead says which workers could not be killed.
func (p *Pool) undead() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.slots.all {
		for _, process := range w.undead {
			err = errors.Join(err, process.Left())
		}
	}
	if err != nil {
		err = fmt.Errorf("pool: close: workers are left behind: %w", err)
	}
	return err
}

func (p *Pool) each(f func(*worker)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.slots.all {
		if w.proc != nil {
			f(w)
		}
	}
}

// end stops the pool for the given reason, the first time: what is pending
// resolves with it, workers are asked to finish.
func (p *Pool) end(cause error) {
	p.mu.Lock()
	defer p.unlock()
	if p.ending.cause != nil {
		return
	}
	p.ending.cause = cause
	close(p.ending.ended)
	p.slots.wanted.Broadcast()
	if p.slots.climber != nil {
		p.slots.climber.Stop()
	}
	if !errors.Is(cause, ErrClosed) {
		p.hooks.event(Event{Kind: EventBroken, Text: cause.Error()})
	}
	for p.tasks.delayed.first != nil {
		t := p.tasks.delayed.popFront()
		t.delayed = false
		p.resolveLocked(t, nil, p.endedLocked())
	}
	for _, j := range slices.Clone(p.ranges.running) {
		p.failRangeLocked(j, p.endedLocked())
	}
	for p.tasks.pending.first != nil {
		p.resolveLocked(p.tasks.pending.popFront(), nil, p.endedLocked())
	}
	for _, w := range p.sched.workers {
		for t := range w.waitingLocked() {
			if t.share.job == nil && w.lane.Revoke(t.place.at) {
				t.tries.Attempt--
				p.resolveLocked(t, nil, p.endedLocked())
			}
		}
	}
	for _, w := range p.slots.all {
		if w.link != nil {
			w.link.Send([]byte{wire.MsgDrain}, -1)
		} else if w.proc != nil { // it has nothing to finish
			w.proc.Kill()
		}
	}
}
