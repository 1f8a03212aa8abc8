package pool

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Goroutines that submit more than the table has room for wait for each other, and what
// was submitted is all done.
func TestWaitFree(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Isolation: Goroutine, MaxPending: 2})
	require.NoError(t, p.WaitFree(background()))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 50 {
				f, err := pid.Submit(background(), p, 0)
				for errors.Is(err, ErrFull) {
					if err = p.WaitFree(background()); err == nil {
						f, err = pid.Submit(background(), p, 0)
					}
				}
				if err == nil {
					_, err = f.Wait(background())
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	within(t, all.Wait)
	require.EqualValues(t, 400, p.Stats().Done)
}

// The wait ends with its context, with a place that a resolved future gives back, and with
// the pool.
func TestWaitFreeEnds(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Isolation: Goroutine, MaxPending: 1})
	f, err := pid.Submit(background(), p, 0)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(background())
	ended := make(chan error, 1)
	waits := func(ctx context.Context) {
		go func() { ended <- p.WaitFree(ctx) }()
		eventually(t, func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.tasks.placeFree != nil }, "it does not wait")
	}
	waits(ctx)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	waits(background())
	_, err = f.Wait(background())
	require.NoError(t, err)
	require.NoError(t, <-ended)

	f, err = pid.Submit(background(), p, 0)
	require.NoError(t, err)
	waits(background())
	require.NoError(t, p.Close(background()))
	require.ErrorIs(t, <-ended, ErrClosed)
	f.Discard()
}
