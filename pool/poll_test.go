package pool

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An unluckyContext ends while its waiter looks at it, once somebody is to hear
// of the end: the waiter still sees it alive.
type unluckyContext struct {
	context.Context
	done  chan struct{}
	ended func(hears func()) // calls what hears of the end, and waits a while for it

	mu    sync.Mutex
	hears func()
	err   error
}

func (c *unluckyContext) Done() <-chan struct{} { return c.done }

func (c *unluckyContext) AfterFunc(f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hears = f
	return func() bool { return true }
}

func (c *unluckyContext) Err() error {
	c.mu.Lock()
	if c.err != nil || c.hears == nil {
		defer c.mu.Unlock()
		return c.err
	}
	c.err = context.Canceled
	c.mu.Unlock()
	close(c.done)
	c.ended(c.hears)
	return nil
}

// The end of a context is not lost on a poller that has just looked at it.
func TestContextEndsBehindThePoller(t *testing.T) {
	p := newPool(t, &Options{Workers: 2})
	var ended, lost atomic.Bool
	var kicks uint32
	ctx := &unluckyContext{Context: background(), done: make(chan struct{})}
	ctx.ended = func(hears func()) {
		kicks = p.kicks.Load()
		hears()
		ended.Store(true)
		for range 20 {
			if time.Sleep(time.Millisecond); p.kicks.Load() != kicks {
				return
			}
		}
	}
	p.mu.Lock()
	p.readyFunc = func() bool {
		kicked := ended.Load() && p.kicks.Load() != kicks
		ready := p.ready()
		if kicked && !ready {
			lost.Store(true)
		}
		return ready || kicked
	}
	p.mu.Unlock()
	eventually(t, func() bool { return len(p.Stats().Workers) == 2 }, "not all are up")
	long, err := untilCancelled.Submit(background(), p, struct{}{})
	require.NoError(t, err)
	short, err := pid.Submit(background(), p, 50*time.Millisecond) // wakes the poller
	require.NoError(t, err)
	_, err = long.Wait(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, lost.Load(), "the poller would sleep on")
	long.Cancel()
	long.Discard()
	_, err = short.Wait(background())
	require.NoError(t, err)
}

// What hears of a context's end is a goroutine: it may run when the pool is gone,
// and its bell with it.
func TestContextEndsAfterClose(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	require.NoError(t, p.Close(background()))
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	require.NotPanics(t, p.contextEnded)
}
