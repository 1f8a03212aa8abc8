package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
)

// Items that fail in each of the ways, in each kind of stage, are left out, told of and
// counted, and all others come out in order.
func TestSkipErrors(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 2})
	for _, unordered := range []bool{false, true} {
		const n = 300
		ways := []string{"error", "panic", "goexit"}
		told := map[int64]string{}
		pl := New(&Options{Unordered: unordered, Window: 9, QueueItems: 3, SkipErrors: func(f *StageError) error {
			if f.Err == nil || told[f.Item] != "" { // it is called for one item at a time
				return fmt.Errorf("item %d: %w, after %q", f.Item, f.Err, told[f.Item])
			}
			told[f.Item] = f.Stage
			return nil
		}})
		want, wantWritten := map[int64]string{}, []int{}
		for k := range n {
			switch {
			case k%10 == 3:
				want[int64(k)] = "load"
			case k%10 == 7:
				want[int64(k)] = "double"
			default:
				wantWritten = append(wantWritten, k)
			}
		}
		loaded := Go(pl, "load", From(pl, numbers(n)), func(ctx context.Context, k int) (pipeIn, error) {
			in, err := load(p, 10)(ctx, k)
			how := ways[k/10%len(ways)]
			if k%10 == 7 {
				in.How = how
			}
			if k%10 != 3 {
				return in, err
			}
			switch how {
			case "panic":
				panic("told to")
			case "goexit":
				runtime.Goexit()
			}
			return in, errors.New("told to")
		}, 3)
		var written []int
		require.NoError(t, Drain(background(), Proc(pl, "double", loaded, p.Pool, pipeTask, 3), func(_ context.Context, o pipeOut) error {
			written = append(written, o.N)
			return nil
		}))
		if unordered {
			slices.Sort(written)
		}
		require.Equal(t, wantWritten, written)
		require.Equal(t, want, told)
		s := pl.Stats()
		require.Zero(t, s.Bytes)
		for i, failed := range []int64{0, n / 10, n / 10, 0} {
			require.Equal(t, failed, s.Stages[i].Failed, s.Stages[i].Name)
			if i > 0 {
				require.Equal(t, s.Stages[i].In, s.Stages[i].Out+failed, s.Stages[i].Name)
				require.Equal(t, s.Stages[i-1].Out, s.Stages[i].In, s.Stages[i].Name)
			}
		}
		require.Contains(t, pl.String(), "30 failed")
		requireNothingHeld(t, p)
	}
}

// The run ends all the same where SkipErrors says so or breaks down, and by what is no
// item's own failure.
func TestSkipErrorsEnds(t *testing.T) {
	told := errors.New("told to")
	bad := func(context.Context, int) (int, error) { return 0, told }
	good := func(_ context.Context, n int) (int, error) { return n, nil }
	write := func(context.Context, int) error { return nil }
	skip := func(*StageError) error { return nil }
	enough := errors.New("enough")
	count := 0
	pl := New(&Options{SkipErrors: func(*StageError) error {
		if count++; count == 3 {
			return enough
		}
		return nil
	}})
	require.ErrorIs(t, Drain(background(), Go(pl, "bad", From(pl, numbers(100)), bad, 1), write), enough)
	require.EqualValues(t, 2, pl.Stats().Stages[1].Failed)

	pl = New(&Options{SkipErrors: func(*StageError) error { panic(enough) }})
	err := Drain(background(), Go(pl, "bad", From(pl, numbers(100)), bad, 1), write)
	require.ErrorIs(t, err, enough)
	require.ErrorContains(t, err, "SkipErrors: panic")

	pl = New(&Options{SkipErrors: skip})
	require.ErrorIs(t, Drain(background(), Go(pl, "good", From(pl, numbers(100)), good, 1), func(context.Context, int) error { return told }), told)

	pl = New(&Options{SkipErrors: skip})
	require.ErrorIs(t, Drain(background(), FromErr(pl, func(yield func(int, error) bool) { yield(0, told) }), write), told)

	p, err := pool.New(background(), &pool.Options{Workers: 1})
	require.NoError(t, err)
	require.NoError(t, p.Close(background()))
	pl = New(&Options{SkipErrors: skip})
	require.ErrorIs(t, Drain(background(), Proc(pl, "closed", From(pl, numbers(100)), p, nothing, 1), write), pool.ErrClosed)
}
