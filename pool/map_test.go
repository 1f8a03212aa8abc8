package pool

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

// upTo yields 0 … n−1 and counts what was pulled.
func upTo(n int, pulled *int) func(yield func(int64) bool) {
	return func(yield func(int64) bool) {
		for i := range int64(n) {
			*pulled = int(i) + 1
			if !yield(i) {
				return
			}
		}
	}
}

// Each result comes once, in order or not, however deep the windows get.
func TestMapYieldsEachOnce(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Workers = 2
		p := newPool(t, &opts)
		n, pulled := 5000, 0
		seen := 0
		for r, err := range addOne.Map(background(), p, upTo(n, &pulled)) {
			require.NoError(t, err)
			require.Equal(t, seen, r.Index)
			require.Equal(t, int64(seen+1), r.Value)
			seen++
		}
		require.Equal(t, n, seen)
		got := make([]bool, n)
		for r, err := range addOne.MapUnordered(background(), p, upTo(n, &pulled)) {
			require.NoError(t, err)
			require.Equal(t, int64(r.Index+1), r.Value)
			require.False(t, got[r.Index])
			got[r.Index] = true
		}
		require.NotContains(t, got, false)
	})
}

// A consumer that is slower than the workers keeps the window small; what is
// done first is yielded first where the order does not matter.
func TestMapHoldsProducersBack(t *testing.T) {
	p := newPool(t, &Options{Workers: 2})
	pulled, seen, ahead := 0, 0, 0
	for range addOne.Map(background(), p, upTo(60, &pulled)) {
		seen++
		ahead = max(ahead, pulled-seen)
		time.Sleep(5 * time.Millisecond)
	}
	most := p.window(addOne.e).most
	require.LessOrEqual(t, ahead, most/4, "the window grew for nobody")

	eventually(t, func() bool { return len(p.Stats().Workers) == 2 }, "not both are up")
	var order []int
	for r, err := range pid.MapUnordered(background(), p, slices.Values([]time.Duration{time.Second, 0, 0, 0})) {
		require.NoError(t, err)
		order = append(order, r.Index)
	}
	require.Equal(t, 0, order[3], "%v", order)
}

// What waits behind a long task goes to a worker that has nothing to do.
func TestShortTasksDoNotWaitForLongOnes(t *testing.T) {
	p := newPool(t, &Options{Workers: 2})
	ctx, cancel := context.WithTimeout(background(), time.Minute)
	defer cancel()
	long, err := untilCancelled.Submit(ctx, p, struct{}{})
	require.NoError(t, err)
	eventually(t, func() bool { return p.Stats().Attempts == 1 }, "not started")
	var fs []Future[int64]
	for i := range int64(100) { // half of them behind it
		f, err := addOne.Submit(ctx, p, i)
		require.NoError(t, err)
		fs = append(fs, f)
	}
	for i, f := range fs {
		v, err := f.Wait(ctx)
		require.NoError(t, err)
		require.Equal(t, int64(i+1), v)
	}
	long.Cancel()
	_, err = long.Wait(ctx)
	require.NoError(t, err)
	require.Equal(t, int64(101), p.Stats().Attempts, "a task that was moved has lost no attempt")
}

func TestMapUnorderedEnds(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Workers = 2
		p := newPool(t, &opts)
		forever := func(yield func(struct{}) bool) {
			for yield(struct{}{}) {
			}
		}
		ctx, cancel := context.WithTimeout(background(), 30*time.Millisecond)
		defer cancel()
		n := 0
		for _, err := range untilCancelled.MapUnordered(ctx, p, forever) {
			require.ErrorIs(t, err, context.DeadlineExceeded)
			n++
		}
		require.Equal(t, 1, n)
		for range addOne.MapUnordered(background(), p, upTo(100, &n)) {
			break
		}
		failed := 0
		for r, err := range misbehave.MapUnordered(background(), p, slices.Values([]string{"", "error", ""})) {
			if err != nil {
				require.Equal(t, 1, r.Index)
				failed++
			}
		}
		require.Equal(t, 1, failed)
		eventually(t, func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.tasks.unresolved == 0 && len(p.tasks.free) == len(p.tasks.all)
		}, "tasks are left")
		require.NoError(t, p.Close(background()))
		for _, err := range addOne.MapUnordered(background(), p, upTo(3, &n)) {
			require.ErrorIs(t, err, ErrClosed)
		}
	})
}

// A sequence ends when its context does, whatever becomes of its items: with the
// context's error, and last.
func TestMapEndsWithItsContext(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	x, err := shm.PutCopy(p.Arena(), []float64{3, 4})
	require.NoError(t, err)
	defer x.Release()
	gone, err := shm.PutCopy(p.Arena(), []float64{1})
	require.NoError(t, err)
	gone.Release()
	for name, in := range map[string]normIn{"items succeed": {x.View(), 1}, "items fail": {gone.View(), 1}} {
		for order, f := range map[string]func(context.Context, *Pool, iter.Seq[normIn]) iter.Seq2[Item[float64], error]{"ordered": norm.Map, "unordered": norm.MapUnordered} {
			t.Run(name+", "+order, func(t *testing.T) {
				ctx, cancel := context.WithCancel(background())
				defer cancel()
				after := 0 // items since it has ended
				most := p.window(norm.e).most
				var last error
				for r, err := range f(ctx, p, func(yield func(normIn) bool) {
					for yield(in) {
					}
				}) {
					var ended *SequenceError
					if last = err; errors.As(err, &ended) {
						require.Zero(t, r)
						continue // to no other
					}
					require.Equal(t, name == "items fail", errors.Is(err, shm.ErrReleased), "%v", err)
					eventually(t, func() bool { return p.Stats().Unresolved == 0 }, "not all are there") // the caller never waits
					if r.Index == 10 {
						cancel()
					}
					if ctx.Err() != nil {
						after++
					}
					require.LessOrEqual(t, after, most+1)
				}
				require.Equal(t, &SequenceError{context.Canceled}, last)
			})
		}
	}
}
