package pool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

type normIn struct {
	X     shm.View[float64]
	Scale float64
}

var norm = Func("test.norm", func(t *Task, in normIn) (float64, error) {
	s := 0.0
	for _, x := range in.X.Data() {
		s += x * x
	}
	return in.Scale * math.Sqrt(s), nil
})

type fillIn struct {
	Out shm.Array[int32]
	By  int32
}

var fill = Func("test.fill", func(t *Task, in fillIn) (int, error) {
	for i := range in.Out.Data() {
		in.Out.Data()[i] = in.By
	}
	return in.Out.Len(), nil
})

type odd struct {
	A bool
	B string
	C [2]struct {
		D int16
		E float64
		F bool
	}
	G complex64
	H struct{}
	I [3]byte
}

var echo = Func("test.echo", func(t *Task, in odd) (odd, error) { return in, nil })

var misbehave = Func("test.misbehave", func(t *Task, how string) (int, error) {
	switch how {
	case "error":
		return 0, errors.New("no luck")
	case "panic":
		panic("oh no")
	case "goexit":
		runtime.Goexit()
	case "long error":
		return 0, errors.New(strings.Repeat("x", 1<<20))
	}
	return 7, nil
})

var long = Func("test.long", func(t *Task, n int) (string, error) { return strings.Repeat("y", n), nil })

var untilCancelled = Func("test.untilCancelled", func(t *Task, _ struct{}) (int, error) {
	<-t.Context().Done()
	return 5, nil
})

var failWhenCancelled = Func("test.failWhenCancelled", func(t *Task, _ struct{}) (int, error) {
	<-t.Context().Done()
	return 0, t.Context().Err()
})

var pid = Func("test.pid", func(t *Task, sleep time.Duration) (int, error) {
	time.Sleep(sleep)
	return os.Getpid(), nil
})

func background() context.Context { return context.Background() }

func TestSubmit(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		x, err := shm.PutCopy(p.Arena(), []float64{3, 0, 0, 4}, 2, 2)
		require.NoError(t, err)
		f, err := norm.Submit(background(), p, normIn{x.View(), 2})
		require.NoError(t, err)
		x.Release() // the task has its own pin
		v, err := f.Wait(background())
		require.NoError(t, err)
		require.Equal(t, 10.0, v)
		_, err = f.Wait(background())
		require.ErrorIs(t, err, ErrWaited)
		require.Zero(t, p.Arena().Stats().Live, "the pin outlived the task")

		f, err = norm.Submit(background(), p, normIn{Scale: 1}) // no elements, no segment
		require.NoError(t, err)
		v, err = f.Wait(background())
		require.NoError(t, err)
		require.Zero(t, v)
		require.Equal(t, int64(32), p.Stats().Memory.BytesByRef)
	})
}

func TestArgumentsAndResultsSurvive(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	in := odd{A: true, B: "grüße\x00", G: complex(1, -2), I: [3]byte{1, 2, 3}}
	in.C[1].D, in.C[1].E, in.C[1].F = -3, math.Inf(-1), true
	f, err := echo.Submit(background(), p, in)
	require.NoError(t, err)
	got, err := f.Wait(background())
	require.NoError(t, err)
	require.Equal(t, in, got)

	for _, n := range []int{4000, 4092, 4093, 1 << 20} {
		f, err := long.Submit(background(), p, n)
		require.NoError(t, err)
		s, err := f.Wait(background())
		require.NoError(t, err)
		require.Len(t, s, n)
	}
}

func TestOutputs(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		out, err := shm.Make[int32](p.Outputs(), 1000)
		require.NoError(t, err)
		defer out.Release()
		f, err := fill.Submit(background(), p, fillIn{out, 9})
		require.NoError(t, err)
		_, err = f.Wait(background())
		require.NoError(t, err)
		require.Equal(t, int32(9), out.Data()[999])

		// Parts of one output, filled by two tasks.
		var parts []Future[int]
		for i := range 2 {
			f, err := fill.Submit(background(), p, fillIn{out.Rows(500*i, 500*i+500), int32(i)})
			require.NoError(t, err)
			parts = append(parts, f)
		}
		for i, f := range parts {
			n, err := f.Wait(background())
			require.NoError(t, err)
			require.Equal(t, 500, n)
			require.Equal(t, int32(i), out.At(500*i))
			require.Equal(t, int32(i), out.At(500*i+499))
		}

		in, err := shm.Make[int32](p.Arena(), 1)
		require.NoError(t, err)
		_, err = fill.Submit(background(), p, fillIn{in, 9})
		require.ErrorContains(t, err, "Pool.Outputs()")
		in.Release()
		_, err = fill.Submit(background(), p, fillIn{in, 9})
		require.ErrorIs(t, err, shm.ErrReleased)
	})
}

func TestTasksOwnFailures(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		for how, want := range map[string]string{
			"error": "test.misbehave: no luck", "panic": "test.misbehave: panic: oh no",
			"goexit": "test.misbehave: goexit: ", "long error": "xxxx",
		} {
			for range 3 {
				f, err := misbehave.Submit(background(), p, how)
				require.NoError(t, err)
				_, err = f.Wait(background())
				var own *TaskError
				require.ErrorAs(t, err, &own, how)
				require.ErrorContains(t, err, want)
				if how == "panic" {
					require.Contains(t, own.Stack, "pool_test.go")
				}
			}
		}
		f, err := misbehave.Submit(background(), p, "")
		require.NoError(t, err)
		v, err := f.Wait(background())
		require.NoError(t, err)
		require.Equal(t, 7, v)
		require.Empty(t, p.Stats().Deaths)
		require.Equal(t, int64(13), p.Stats().Attempts, "a task's own failure was tried again")
	})
}

func TestMapKeepsOrder(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		x, err := shm.PutCopy(p.Arena(), []float64{1})
		require.NoError(t, err)
		defer x.Release()
		pulled, seen, ahead := 0, 0, 0
		inputs := func(yield func(normIn) bool) {
			for i := range 500 {
				pulled++
				if !yield(normIn{x.View(), float64(i)}) {
					return
				}
			}
		}
		for r, err := range norm.Map(background(), p, inputs) {
			require.NoError(t, err)
			require.Equal(t, seen, r.Index)
			require.Equal(t, float64(seen), r.Value)
			ahead = max(ahead, pulled-seen)
			seen++
		}
		require.Equal(t, 500, seen)
		most := p.window(norm.e).most
		require.LessOrEqual(t, ahead, most, "inputs were pulled ahead of the window")

		// An item's own failure is that item's.
		var got []string
		for r, err := range misbehave.Map(background(), p, slices.Values([]string{"", "error", ""})) {
			if err != nil {
				got = append(got, "failed")
				require.Equal(t, 1, r.Index)
			} else {
				got = append(got, "ok")
			}
		}
		require.Equal(t, []string{"ok", "failed", "ok"}, got)
	})
}

func TestMapLeftEarly(t *testing.T) {
	p := newPool(t, &Options{Workers: 2, Timeouts: Timeouts{Close: 10 * time.Millisecond}})
	forever := func(yield func(struct{}) bool) {
		for yield(struct{}{}) {
		}
	}
	ctx, cancel := context.WithTimeout(background(), 50*time.Millisecond)
	defer cancel()
	n := 0
	for _, err := range untilCancelled.Map(ctx, p, forever) {
		require.ErrorIs(t, err, context.DeadlineExceeded)
		n++
	}
	require.Equal(t, 1, n)
	for r := range pid.Map(background(), p, slices.Values([]time.Duration{0, time.Hour, time.Hour})) {
		require.Zero(t, r.Index)
		break
	}
	eventually(t, func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.tasks.pending.n == 0 }, "abandoned tasks are still pending")
}

func TestCancel(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Workers = 1
		p := newPool(t, &opts)
		running, err := untilCancelled.Submit(background(), p, struct{}{})
		require.NoError(t, err)
		eventually(t, func() bool { return p.Stats().Attempts == 1 }, "not started")
		pending, err := pid.Submit(background(), p, 0)
		require.NoError(t, err)
		pending.Cancel()
		_, err = pending.Wait(background())
		require.ErrorIs(t, err, ErrCancelled)

		soon, cancel := context.WithTimeout(background(), 20*time.Millisecond)
		defer cancel()
		_, err = running.Wait(soon)
		require.ErrorIs(t, err, context.DeadlineExceeded, "the task goes on")
		running.Cancel()
		v, err := running.Wait(background())
		require.NoError(t, err)
		require.Equal(t, 5, v)

		failing, err := failWhenCancelled.Submit(background(), p, struct{}{})
		require.NoError(t, err)
		eventually(t, func() bool { return p.Stats().Attempts == 2 }, "not started")
		failing.Cancel()
		_, err = failing.Wait(background())
		require.ErrorIs(t, err, ErrCancelled)
		require.ErrorContains(t, err, "context canceled")

		gone, err := pid.Submit(background(), p, 0)
		require.NoError(t, err)
		gone.Discard()
		_, err = gone.Wait(background())
		require.ErrorIs(t, err, ErrWaited)
	})
}

var say = Func("test.say", func(t *Task, text string) (int, error) {
	fmt.Print(text)
	return len(text), nil
})

func TestWorkersOutput(t *testing.T) {
	var out bytes.Buffer
	p := newPool(t, &Options{Workers: 1, Output: &out})
	f, err := say.Submit(background(), p, "one \"two\"\n\x1b[31mred\nlast")
	require.NoError(t, err)
	_, err = f.Wait(background())
	require.NoError(t, err)
	require.NoError(t, p.Close(background()))
	require.Equal(t, "worker 0: one \"two\"\nworker 0: \\x1b[31mred\nworker 0: last\n", out.String())
}

func TestFullTable(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, MaxPending: 2})
	var fs []Future[int]
	for range 2 {
		f, err := pid.Submit(background(), p, 0)
		require.NoError(t, err)
		fs = append(fs, f)
	}
	_, err := pid.Submit(background(), p, 0)
	require.ErrorIs(t, err, ErrFull)
	// Map does not wait for what others may never give back.
	n := 0
	for _, err := range pid.Map(background(), p, slices.Values(make([]time.Duration, 20))) {
		require.ErrorIs(t, err, ErrFull)
		n++
	}
	require.Equal(t, 1, n)
	_, err = fs[0].Wait(background())
	require.NoError(t, err)
	n = 0
	for _, err := range pid.Map(background(), p, slices.Values(make([]time.Duration, 20))) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 20, n)
}

func TestClose(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Workers = 1
		p := newPool(t, &opts)
		running, err := pid.Submit(background(), p, 100*time.Millisecond)
		require.NoError(t, err)
		eventually(t, func() bool { return p.Stats().Attempts == 1 }, "not started")
		pending, err := pid.Submit(background(), p, 0)
		require.NoError(t, err)
		done := make(chan error, 3)
		for range cap(done) {
			go func() { done <- p.Close(background()) }()
		}
		for range cap(done) {
			require.NoError(t, <-done)
		}
		_, err = running.Wait(background())
		require.NoError(t, err, "a running task is drained")
		_, err = pending.Wait(background())
		require.ErrorIs(t, err, ErrClosed)
		_, err = pid.Submit(background(), p, 0)
		require.ErrorIs(t, err, ErrClosed)
		for _, err := range pid.Map(background(), p, slices.Values([]time.Duration{0, 0})) {
			require.ErrorIs(t, err, ErrClosed)
		}
	})
}

func TestCloseKillsWhatDoesNotEnd(t *testing.T) {
	p := newPool(t, &Options{Workers: 2, Timeouts: Timeouts{Close: 10 * time.Millisecond}})
	f, err := pid.Submit(background(), p, time.Hour)
	require.NoError(t, err)
	eventually(t, func() bool { return p.Stats().Attempts == 1 }, "not started")
	require.NoError(t, p.Close(background()))
	_, err = f.Wait(background())
	require.ErrorIs(t, err, ErrClosed)
}

func mapsOf(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	require.NoError(t, err)
	return string(b)
}

// mappingsOf counts a process's mappings of a segment by their modes, as of one
// look: the other mappings of a process change all the time.
func mappingsOf(t *testing.T, pid int, segment string) map[string]int {
	t.Helper()
	modes := map[string]int{}
	for line := range strings.Lines(mapsOf(t, pid)) {
		if f := strings.Fields(line); len(f) > 5 && (f[5] == "/dev/shm/"+segment || f[5] == "/memfd:"+segment) {
			modes[f[1]]++
		}
	}
	return modes
}

func TestSegmentIsAnnouncedOnceAndRetired(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	pid := p.Stats().Workers[0].PID
	seg, err := p.Run().Create(1 << 20)
	require.NoError(t, err)
	shape, err := shm.ShapeOf(1 << 17)
	require.NoError(t, err)
	arr, err := shm.BindArray[float64](seg, shm.Ref{Segment: seg.Name(), DType: shm.Float64, Shape: shape})
	require.NoError(t, err)
	arr.Data()[1<<17-1] = 2
	for range 3 {
		f, err := norm.Submit(background(), p, normIn{arr.View(), 1})
		require.NoError(t, err)
		v, err := f.Wait(background())
		require.NoError(t, err)
		require.Equal(t, 2.0, v)
	}
	require.Equal(t, map[string]int{"r--s": 1}, mappingsOf(t, pid, seg.Name()))
	arr.Release()
	require.NoError(t, seg.Close())
	eventually(t, func() bool { return len(mappingsOf(t, pid, seg.Name())) == 0 }, "the worker keeps the segment mapped")
	require.Empty(t, p.segments.byID)
}

// A Call whose context ends returns, and leaves neither a task nor a result behind.
func TestCallEnds(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	ctx, cancel := context.WithCancel(background())
	ended := make(chan error, 1)
	go func() {
		_, err := failWhenCancelled.Call(ctx, p, struct{}{})
		ended <- err
	}()
	eventually(t, func() bool { return p.Stats().Attempts == 1 }, "not started")
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	eventually(t, func() bool { return p.Stats().Cancelled == 1 }, "not cancelled")
	eventually(t, func() bool { return p.Stats().Unresolved == 0 }, "still there")

	_, err := failWhenCancelled.Call(ctx, p, struct{}{})
	require.ErrorIs(t, err, context.Canceled)
	v, err := addOne.Call(background(), p, 1)
	require.NoError(t, err)
	require.Equal(t, int64(2), v)
}
