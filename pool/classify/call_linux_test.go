package classify

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/handoff/bench/cost"
	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// gobSize is what gob makes of a value once it knows the type.
func gobSize(t *testing.T, v any) int64 {
	t.Helper()
	var buf bytes.Buffer
	enc := gob.NewEncoder(&buf)
	require.NoError(t, enc.Encode(v))
	first := buf.Len()
	require.NoError(t, enc.Encode(v))
	return int64(buf.Len() - first)
}

type sized struct {
	X     shm.View[float64]
	Scale float64
}

func newRun(t *testing.T) *shm.Arena {
	t.Helper()
	run, err := shm.NewRun()
	require.NoError(t, err)
	a := run.NewArena(nil)
	t.Cleanup(func() { require.NoError(t, errors.Join(a.Close(), run.Close())) })
	return a
}

func filled[T shm.Element](t *testing.T, a *shm.Arena, n int, of func(i int) T) shm.View[T] {
	t.Helper()
	arr, err := shm.Make[T](a, n)
	require.NoError(t, err)
	t.Cleanup(arr.Release)
	for i := range n {
		arr.Data()[i] = of(i)
	}
	return arr.View()
}

func TestMeasurePayload(t *testing.T) {
	type record struct {
		Words []string
		When  time.Time
		Table map[string][]float64
		later *int
	}
	in := record{[]string{"a", "b"}, time.Now(), map[string][]float64{"x": {1, 2, 3}}, nil}
	out := make([]float64, 1<<20)
	for i := range out {
		out[i] = float64(i+1) / 3
	}
	p, err := measurePayload(&in, &out)
	require.NoError(t, err)
	require.Equal(t, gobSize(t, in), p.InGobBytes)
	require.InDelta(t, gobSize(t, out), p.OutGobBytes, 100) // it may be encoded once, with the type
	require.Equal(t, p.InGobBytes+p.OutGobBytes, p.ValueBytes)
	require.Zero(t, p.RefBytes)
	require.Positive(t, p.Gob)
	require.Positive(t, p.GobFresh)

	p, err = measurePayload(&struct{}{}, &struct{}{})
	require.NoError(t, err)
	require.Equal(t, &Payload{}, p)

	view, null, ch := filled(t, newRun(t), 1, func(int) float64 { return 1 }), (*int)(nil), make(chan int)
	_, err = measurePayload(&view, &ch)
	require.ErrorContains(t, err, "the size of the argument is unknown, set PayloadBytes and RefBytes: gob: type shm.View[float64] has no exported fields")
	_, err = measurePayload(&null, &ch)
	require.ErrorContains(t, err, "the size of the argument is unknown, set PayloadBytes and RefBytes: gob: decode: EOF")
	_, err = measurePayload(&struct{}{}, &ch)
	require.ErrorContains(t, err, "the size of the result is unknown, set PayloadBytes and RefBytes: gob")
}

// Functions for TestFn.
var (
	measuredSum = pool.Func("test.classify.sum", func(t *pool.Task, in sized) (float64, error) {
		s := 0.0
		for range 50 {
			for _, x := range in.X.Data() {
				s += x * in.Scale
			}
		}
		return s, nil
	})
	measuredMake = pool.Func("test.classify.make", func(t *pool.Task, n int) (shm.OwnedView[int64], error) {
		if t.Worker() != 0 || t.Attempt() != 1 || t.Context() == nil {
			return shm.OwnedView[int64]{}, errors.New("no proper task")
		}
		out, err := shm.Make[int64](t.Arena(), n)
		if err != nil {
			return shm.OwnedView[int64]{}, err
		}
		for i := range out.Data() {
			out.Data()[i] = int64(i)
		}
		return out.Own(), nil
	})
	measuredWait = pool.Func("test.classify.wait", func(t *pool.Task, ms int) (int, error) {
		if ms < 0 {
			<-t.Context().Done()
			return 0, t.Context().Err()
		}
		time.Sleep(time.Duration(ms) * time.Millisecond)
		return ms, nil
	})
)

func TestFn(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	third := func(i int) float64 { return float64(i+1) / 3 }
	opts := &Options{Repeats: 1, MinSample: 5 * time.Millisecond}

	in := sized{X: filled(t, newRun(t), 100_000, third), Scale: 2}
	c, err := Fn(t.Context(), measuredSum, in, opts)
	require.NoError(t, err)
	require.Nil(t, c.Payload)
	require.Contains(t, strings.Join(c.Warnings, "\n"), "set PayloadBytes and RefBytes: gob: type shm.View[float64] has no exported fields")

	opts.PayloadBytes, opts.RefBytes, opts.Costs = 16, 800_000, &cost.Costs{Gob: cost.Curve{{Bytes: 0, NS: 5000}, {Bytes: 1 << 20, NS: 5000 + 10<<20}}}
	c, err = Fn(t.Context(), measuredSum, in, opts)
	require.NoError(t, err)
	require.Equal(t, int64(800_000), c.Payload.RefBytes)
	require.Equal(t, int64(16), c.Payload.ValueBytes)
	require.Equal(t, 8_005_160*time.Nanosecond, c.Payload.Gob)
	require.True(t, c.Payload.Estimated)
	require.Positive(t, c.Advice.Share)
	require.Equal(t, c.Advice.Share > cost.MostShare, c.Advice.OverMost)
	require.True(t, c.Advice.Task.InPlace)

	// Its own arena is emptied between calls, and gone afterwards.
	c, err = Fn(t.Context(), measuredMake, 100_000, opts)
	require.NoError(t, err)
	require.True(t, c.Advice.OverMost, "%s", c.Reason) // making it is far cheaper than gob of it
	require.Contains(t, c.Reason, "it should not be serialized for each task, but be handed to a process in place")

	for range 8 { // what other tests have left to collect may be counted
		c, err = Fn(t.Context(), measuredWait, 20, opts)
		require.NoError(t, err)
		if c.Workload == WorkloadIO {
			break
		}
	}
	require.Equal(t, WorkloadIO, c.Workload, "%s", c.Reason)
	require.Len(t, c.Warnings, 1)
	require.Contains(t, c.Warnings[0], "planned for processes")

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err = Fn(ctx, measuredWait, -1, opts)
	require.ErrorIs(t, err, context.Canceled)
	require.Eventually(t, func() bool { return ownRuns(t) == 1 }, watchdog, poll, "its arena is left beside the argument's")
}

// behind is what leftBehind does with its one call.
var behind struct {
	begun   func()
	release chan struct{}
	seen    chan int64
}

var leftBehind = pool.Func("test.leftBehind", func(t *pool.Task, n int) (int, error) {
	a, err := shm.Make[int64](t.Arena(), n)
	if err != nil {
		return 0, err
	}
	a.Data()[n-1] = 42
	behind.begun()
	<-behind.release
	behind.seen <- a.Data()[n-1]
	return 0, nil
})

// A function that does not hear of the end of its context keeps its arrays.
func TestFnLeftBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	before := mappings(t)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	seen := make(chan int64, 1)
	behind.begun, behind.release, behind.seen = cancel, release, seen
	_, err := Fn(ctx, leftBehind, 1000, nil)
	require.ErrorIs(t, err, context.Canceled)
	close(release)
	require.Equal(t, int64(42), <-seen)
	require.Eventually(t, func() bool { return mappings(t) <= before && ownRuns(t) == 0 }, watchdog, poll, "its arena is left")
}

// Of tests that wait for an event.
const watchdog, poll = 30 * time.Second, 2 * time.Millisecond

// mappings is how many segments this process has mapped.
func mappings(t *testing.T) int {
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return strings.Count(string(maps), "/dev/shm/")
}

// ownRuns is how many runs of this process are in /dev/shm.
func ownRuns(t *testing.T) (n int) {
	runs, err := shm.List()
	require.NoError(t, err)
	for _, r := range runs {
		if strings.HasPrefix(r.Holder, fmt.Sprintf("%d ", os.Getpid())) {
			n++
		}
	}
	return n
}

func TestCall(t *testing.T) {
	double := func(_ context.Context, in []float64) ([]float64, error) {
		out := make([]float64, len(in))
		for i, x := range in {
			out[i] = 2 * x
		}
		return out, nil
	}
	in := make([]float64, 10_000)
	for i := range in {
		in[i] = float64(i+1) / 3
	}
	opts := &Options{Repeats: 1, MinSample: 5 * time.Millisecond}
	runtime.GC() // else what other tests leave puts the next collection off
	c, err := Call(t.Context(), double, in, &Options{Repeats: 1})
	require.NoError(t, err)
	require.Equal(t, gobSize(t, in), c.Payload.InGobBytes)
	require.Greater(t, c.Payload.OutGobBytes, int64(70_000))
	require.True(t, c.Advice.OverMost, "%s", c.Reason) // 10 µs against 500
	require.Contains(t, c.Reason, "be handed to a process in place (shm.View")
	require.Positive(t, c.GCCycles, "it leaves 80 kB at each call")
	require.Positive(t, c.GCShare)

	c, err = Call(t.Context(), func(context.Context, chan int) (int, error) { time.Sleep(time.Millisecond); return 0, nil }, nil, opts)
	require.NoError(t, err)
	require.Nil(t, c.Payload)
	require.Len(t, c.Warnings, 1)
	require.PanicsWithValue(t, "classify: Call: f is nil", func() { Call[int, int](t.Context(), nil, 0, nil) })
}
