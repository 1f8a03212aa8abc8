package pipeline

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
	"example.com/handoff/shm/shmtest"
)

// pipeTask is a process stage: it doubles X, or misbehaves.
var pipeTask = pool.Func("test.pipeTask", func(t *pool.Task, in pipeIn) (out pipeOut, err error) {
	if in.Nap > 0 {
		select {
		case <-time.After(in.Nap):
		case <-t.Context().Done():
			return out, t.Context().Err()
		}
	}
	switch in.How {
	case "error":
		return out, errors.New("told to")
	case "panic":
		panic("told to")
	case "goexit":
		runtime.Goexit()
	case "deaf":
		time.Sleep(time.Hour)
	}
	out.N = in.N
	y, err := shm.MakeWait[float64](t.Context(), t.Arena(), max(in.X.Len(), in.Size))
	if err != nil {
		return out, err
	}
	for i, x := range in.X.Data() {
		y.Data()[i] = 2 * x
		out.Sum += 2 * x
	}
	out.Y = y.Own()
	return out, nil
})

type pipeBack struct {
	N   int
	Sum float64
	Y   shm.View[float64]
}

// back takes the array of pipeTask on to another worker: the pipeline holds it.
func back(_ context.Context, o pipeOut) (pipeBack, error) {
	return pipeBack{o.N, o.Sum, o.Y.View()}, nil
}

var pipeAgain = pool.Func("test.pipeAgain", func(t *pool.Task, in pipeBack) (pipeOut, error) {
	out := pipeOut{N: in.N}
	for _, y := range in.Y.Data() {
		out.Sum += y
	}
	if out.Sum != in.Sum {
		return out, fmt.Errorf("item %d: the sum is %v, expected %v", in.N, out.Sum, in.Sum)
	}
	return out, nil
})

// load makes the array of an item in this process.
func load(p *testPool, elements int) func(context.Context, int) (pipeIn, error) {
	return func(ctx context.Context, n int) (pipeIn, error) {
		x, err := shm.MakeWait[float64](ctx, p.Arena(), elements)
		if err != nil {
			return pipeIn{}, err
		}
		Hold(ctx, x)
		for i := range x.Data() {
			x.Data()[i] = float64(n + i)
		}
		return pipeIn{X: x.View(), N: n}, nil
	}
}

func TestPipeline(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts pool.Options) {
		p := newPool(t, &opts)
		for _, unordered := range []bool{false, true} {
			t.Run(fmt.Sprintf("unordered=%v", unordered), func(t *testing.T) {
				const n = 200
				pl := New(&Options{Unordered: unordered})
				raw := Go(pl, "load", From(pl, numbers(n)), load(p, 100), 4)
				doubled := Proc(pl, "double", raw, p.Pool, pipeTask, 0)
				named := Go(pl, "pass", doubled, back, 3)
				summed := Proc(pl, "again", named, p.Pool, pipeAgain, 3)
				var got []int
				err := Drain(background(), summed, func(_ context.Context, o pipeOut) error {
					require.Equal(t, float64(2*(100*o.N+99*50)), o.Sum)
					got = append(got, o.N)
					return nil
				})
				require.NoError(t, err)
				if unordered {
					slices.Sort(got)
				}
				require.Equal(t, slices.Collect(numbers(n)), got)
				s := pl.Stats()
				require.Zero(t, s.Bytes)
				require.False(t, s.Running)
				require.Positive(t, s.HighBytes)
				for i, st := range s.Stages {
					require.EqualValues(t, n, st.Out, st.Name)
					if i > 0 {
						require.EqualValues(t, n, st.In, st.Name)
					}
					if st.Kind == KindProcess && opts.Isolation == pool.Process {
						require.True(t, st.CPUKnown)
						require.Positive(t, st.CPU)
						require.Positive(t, st.PSS)
						require.Positive(t, st.Workers)
					}
				}
				require.NotEmpty(t, s.Verdict)
				t.Log("\n" + pl.String())
				requireNothingHeld(t, p)
			})
		}
	})
}

// The Views of a result are there for write, and a little later for nobody.
func TestReleasesViews(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 2})
	var kept []shm.OwnedView[float64]
	pl := New(nil)
	out := Proc(pl, "double", Go(pl, "load", From(pl, numbers(5)), load(p, 10), 1), p.Pool, pipeTask, 0)
	require.NoError(t, Drain(background(), out, func(_ context.Context, o pipeOut) error {
		require.Equal(t, float64(2*o.N), o.Y.Data()[0])
		kept = append(kept, o.Y)
		return nil
	}))
	for _, v := range kept {
		require.Panics(t, func() { v.Data() }, "it is dead")
	}
	pl = New(nil)
	out = Proc(pl, "double", Go(pl, "load", From(pl, numbers(5)), load(p, 10), 1), p.Pool, pipeTask, 0)
	err := Drain(background(), out, func(_ context.Context, o pipeOut) error { o.Y.Release(); return nil })
	require.ErrorContains(t, err, "the pipeline's to release")
	requireNothingHeld(t, p)
}

// An item fails in each of the ways, in each kind of stage: the error names both.
func TestNamesStageAndItem(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 2})
	told := errors.New("told to")
	for _, how := range []string{"error", "panic", "goexit"} {
		for _, place := range []string{"load", "double", "write"} {
			for k := range 50 {
				for _, unordered := range []bool{false, true} {
					if how == "goexit" && place == "write" {
						continue // it ends the caller's goroutine
					}
					name := fmt.Sprintf("%s in %s, item %d, unordered %v", how, place, k, unordered)
					misdo := func() error {
						switch how {
						case "panic":
							panic(told)
						case "goexit":
							runtime.Goexit()
						}
						return told
					}
					pl := New(&Options{Unordered: unordered, QueueItems: 1 + k%5, Window: 1 + k%7})
					loaded := Go(pl, "load", From(pl, numbers(50)), func(ctx context.Context, n int) (in pipeIn, err error) {
						if in, err = load(p, 10)(ctx, n); err != nil {
							return in, err
						}
						if n == k && place == "load" {
							return in, misdo()
						}
						if n == k && place == "double" {
							in.How = how
						}
						return in, nil
					}, 3)
					next := 0
					err := Drain(background(), Proc(pl, "double", loaded, p.Pool, pipeTask, 0), func(_ context.Context, o pipeOut) error {
						if !unordered {
							require.Equal(t, next, o.N)
							next++
						}
						if o.N == k && place == "write" {
							return misdo()
						}
						return nil
					})
					var failed *StageError
					require.ErrorAs(t, err, &failed, name)
					require.Equal(t, place, failed.Stage, name)
					require.EqualValues(t, k, failed.Item, name)
					require.LessOrEqual(t, next, k+1, name)
					var task *pool.TaskError
					var broke *PanicError
					switch {
					case place == "double":
						require.ErrorAs(t, err, &task, name)
						require.Equal(t, how, task.Kind, name)
					case how == "goexit":
						require.ErrorAs(t, err, &broke, name)
						require.Nil(t, broke.Value, name)
					case how == "panic":
						require.ErrorAs(t, err, &broke, name)
						fallthrough
					default:
						require.ErrorIs(t, err, told, name)
					}
				}
			}
		}
	}
	requireNothingHeld(t, p)
}

// The end of the context reaches tasks that run, and Drain does not wait for deaf ones.
func TestCancelReachesWorkers(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 2, Timeouts: pool.Timeouts{Cancel: 100 * time.Millisecond}})
	for _, how := range []string{"", "deaf"} {
		ctx, cancel := context.WithCancel(background())
		pl := New(nil)
		loaded := Go(pl, "load", From(pl, numbers(100)), func(ctx context.Context, n int) (pipeIn, error) {
			in, err := load(p, 10)(ctx, n)
			in.How, in.Nap = how, time.Hour
			if how == "deaf" {
				in.Nap = 0
			}
			return in, err
		}, 0)
		out := Proc(pl, "double", loaded, p.Pool, pipeTask, 4)
		go func() {
			shmtest.Eventually(t, func() bool { return p.Stats().Attempts > 0 && pl.Stats().Stages[2].In >= 2 }, "no task runs")
			cancel()
		}()
		err := Drain(ctx, out, func(context.Context, pipeOut) error { return nil })
		require.ErrorIs(t, err, context.Canceled)
		requireNothingHeld(t, p)
	}
	require.Positive(t, settled(t, p).Deaths[pool.ExitCancel], "a deaf task ends with its worker")
}

// A pool whose table is full of the futures of others holds a stage up and no more.
func TestWaitsForAFullPool(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 1, MaxPending: 3})
	var others []pool.Future[pipeOut]
	for i := range 3 {
		f, err := pipeTask.Submit(background(), p.Pool, pipeIn{N: i})
		require.NoError(t, err)
		others = append(others, f)
	}
	pls := make(chan *Pipeline, 2)
	ended := make(chan error, 2)
	var written atomic.Int32
	for range 2 { // on one pool
		go func() {
			pl := New(&Options{QueueItems: 1})
			in := Go(pl, "load", From(pl, numbers(50)), load(p, 10), 2)
			out := Proc(pl, "double", in, p.Pool, pipeTask, 8)
			pls <- pl
			ended <- Drain(background(), out, func(context.Context, pipeOut) error { written.Add(1); return nil })
		}()
	}
	one, two := <-pls, <-pls
	working := func(pl *Pipeline) bool { s := pl.Stats(); return len(s.Stages) == 4 && s.Stages[2].In > 0 }
	shmtest.Eventually(t, func() bool { return working(one) && working(two) }, "they have not come to the pool")
	require.Zero(t, written.Load())
	for _, f := range others {
		v, err := f.Wait(background())
		require.NoError(t, err)
		v.Y.Release()
	}
	for range 2 {
		require.NoError(t, <-ended)
	}
	require.EqualValues(t, 100, written.Load())

	f, err := pipeTask.Submit(background(), p.Pool, pipeIn{}) // never waited for
	require.NoError(t, err)
	defer f.Discard()
	for range 2 {
		f, err := pipeTask.Submit(background(), p.Pool, pipeIn{})
		require.NoError(t, err)
		defer f.Discard()
	}
	ctx, cancel := context.WithTimeout(background(), 50*time.Millisecond)
	defer cancel()
	pl := New(nil)
	err = Drain(ctx, Proc(pl, "double", Go(pl, "load", From(pl, numbers(9)), load(p, 10), 2), p.Pool, pipeTask, 8), func(context.Context, pipeOut) error { return nil })
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// Random waits and the deaths of workers change nothing in the order.
func TestOrderUnderKills(t *testing.T) {
	n, every := 400, 20*time.Millisecond
	if soak() {
		n, every = 100_000, 5*time.Millisecond
	}
	p := newPool(t, &pool.Options{Workers: 3, Replacement: pool.Replacement{KeepWidth: true}, Attempts: 255})
	stop := killWorkers(p, every)
	pl := New(&Options{Window: 16})
	loaded := Go(pl, "load", From(pl, numbers(n)), func(ctx context.Context, k int) (pipeIn, error) {
		in, err := load(p, 10)(ctx, k)
		in.Nap = rand.N(2 * time.Millisecond)
		time.Sleep(rand.N(time.Millisecond))
		return in, err
	}, 5)
	again := Proc(pl, "again", Go(pl, "back", Proc(pl, "double", loaded, p.Pool, pipeTask, 6), back, 2), p.Pool, pipeAgain, 6)
	next := 0
	err := Drain(background(), again, func(_ context.Context, o pipeOut) error {
		if o.N != next {
			return fmt.Errorf("item %d, expected %d", o.N, next)
		}
		next++
		return nil
	})
	kills := stop()
	require.NoError(t, err)
	require.Equal(t, n, next)
	require.NotZero(t, kills, "the test tests nothing")
	requireNothingHeld(t, p)
}

// A goroutine stage that uses the pool itself, whose table is small: it is refused or
// has its turn, and all comes to an end.
func TestNestedSubmit(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 1, MaxPending: 2})
	for _, again := range []bool{false, true} {
		done := watched(t, "the pipeline")
		pl := New(&Options{QueueItems: 1})
		nested := Go(pl, "nested", From(pl, numbers(100)), func(ctx context.Context, n int) (in pipeIn, err error) {
			for {
				f, err := pipeTask.Submit(ctx, p.Pool, pipeIn{N: n, Nap: time.Millisecond})
				if again && errors.Is(err, pool.ErrFull) {
					time.Sleep(100 * time.Microsecond)
					if err = ctx.Err(); err == nil {
						continue
					}
				}
				if err != nil {
					return in, err
				}
				v, err := f.Wait(ctx)
				if err != nil {
					f.Discard() // else its place stays taken
					return in, err
				}
				v.Y.Release()
				return pipeIn{N: v.N}, nil
			}
		}, 8)
		err := Drain(background(), Proc(pl, "double", nested, p.Pool, pipeTask, 8), func(context.Context, pipeOut) error { return nil })
		done()
		if again {
			require.NoError(t, err)
			continue
		}
		var failed *StageError
		require.ErrorAs(t, err, &failed)
		require.ErrorIs(t, err, pool.ErrFull)
		require.Equal(t, "nested", failed.Stage)
	}
}
