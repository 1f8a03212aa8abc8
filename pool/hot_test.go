package pool

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

var addOne = Func("test.addOne", func(_ *Task, n int64) (int64, error) { return n + 1, nil })

// A hot task allocates nothing here, whatever its arguments are, where its
// result has neither a string nor a View.
func TestHotTaskAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("not in CI: the race detector allocates")
	}
	p := newPool(t, &Options{Workers: 1})
	x, err := shm.PutCopy(p.Arena(), []float64{3, 4})
	require.NoError(t, err)
	defer x.Release()
	ctx, cancel := context.WithCancel(background())
	defer cancel()
	var failed error
	n := int64(0)
	plain := func() {
		f, err := addOne.Submit(ctx, p, n)
		if err == nil {
			n, err = f.Wait(ctx)
		}
		if err != nil {
			failed = err
		}
	}
	view := func() {
		f, err := norm.Submit(ctx, p, normIn{x.View(), 1})
		if err == nil {
			_, err = f.Wait(ctx)
		}
		if err != nil {
			failed = err
		}
	}
	many := func() {
		var fs [100]Future[int64]
		for i := range fs {
			if fs[i], failed = addOne.Submit(ctx, p, n); failed != nil {
				return
			}
		}
		for i := range fs {
			if n, failed = fs[i].Wait(ctx); failed != nil {
				return
			}
		}
	}
	for name, f := range map[string]func(){"plain": plain, "view": view, "many": many} {
		for range 100 {
			f()
		}
		require.Zero(t, testing.AllocsPerRun(2000, f), name)
		require.NoError(t, failed)
	}
}
