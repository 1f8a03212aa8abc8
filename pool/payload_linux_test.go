package pool

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
	name  string // crosses to a worker, though gob would not look at it
	X     shm.View[float64]
	part  [2]inner
	Scale float64
}

type inner struct {
	on bool
	V  shm.View[uint16]
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
	a := newRun(t)
	third := func(i int) float64 { return float64(i+1) / 3 }
	x := filled(t, a, 1000, third)
	u := filled(t, a, 500, func(i int) uint16 { return uint16(i) })
	in := sized{name: "name", X: x, part: [2]inner{{true, u}, {}}, Scale: 0.5}
	type flatInner struct {
		On bool
		V  []uint16
	}
	type flat struct {
		Name   string
		X      []float64
		P0, P1 flatInner
		Scale  float64
	}
	same := flat{"name", x.Data(), flatInner{true, u.Data()}, flatInner{}, 0.5}
	none := same
	none.X, none.P0.V = nil, nil

	out := x
	p, err := measurePayload(&in, &out, true)
	require.NoError(t, err)
	near := func(want, got int64, what string) {
		t.Helper()
		require.InDelta(t, want, got, 16, what) // the lengths of the empty fields
	}
	near(gobSize(t, same), p.InGobBytes, "argument")
	near(gobSize(t, x.Data()), p.OutGobBytes, "result")
	near(gobSize(t, none), p.ValueBytes, "by value")
	require.Equal(t, int64(8000+1000), p.InRefBytes)
	require.Equal(t, int64(8000), p.OutRefBytes)
	require.False(t, p.Estimated)
	require.Positive(t, p.GobNs)
	require.Greater(t, p.GobFreshNs, 0.0)

	// An argument of any Go type, of which gob sees the exported fields alone.
	type record struct {
		Words []string
		When  time.Time
		Table map[string][]float64
		later *int
	}
	r := record{[]string{"a", "b"}, time.Now(), map[string][]float64{"x": {1, 2, 3}}, nil}
	p, err = measurePayload(&r, &struct{}{}, false)
	require.NoError(t, err)
	require.Equal(t, gobSize(t, r), p.InGobBytes)
	require.Equal(t, p.InGobBytes, p.ValueBytes)
	require.Zero(t, p.OutGobBytes+p.InRefBytes)

	// A part of it stands for the whole.
	large := make([]float64, 1<<20)
	for i := range large {
		large[i] = third(i)
	}
	p, err = measurePayload(&large, &struct{}{}, false)
	require.NoError(t, err)
	require.True(t, p.Estimated)
	require.InEpsilon(t, gobSize(t, large), p.InGobBytes, 0.05)
	require.InEpsilon(t, p.InGobBytes, p.ValueBytes, 0.01, "a slice is by value")

	for _, v := range []any{func() {}, make(chan int)} {
		_, err = measurePayload(&v, &struct{}{}, false)
		require.ErrorContains(t, err, "the size of the argument: gob")
	}
}

type columns struct{ arrays []shm.View[float64] }

func (c *columns) Carry(meta []byte) ([]byte, []shm.Binder, error) {
	var all []shm.Binder
	for i := range c.arrays {
		all = append(all, &c.arrays[i])
	}
	return append(meta, "meta"...), all, nil
}

func (c *columns) Receive([]byte, []shm.Binder) error { return nil }

func TestMeasureCarrier(t *testing.T) {
	a := newRun(t)
	one := func(int) float64 { return 1.0 / 3 }
	in := struct {
		Table columns
		n     int
	}{Table: columns{[]shm.View[float64]{filled(t, a, 100, one), filled(t, a, 200, one)}}, n: 7}
	p, err := measurePayload(&in, &struct{}{}, true)
	require.NoError(t, err)
	require.Equal(t, int64(2400), p.InRefBytes)
	require.Greater(t, p.InGobBytes, int64(2400))
	require.Less(t, p.ValueBytes, int64(40))
}

// Functions for TestClassifyFn.
var (
	classifySum = Func("test.classify.sum", func(t *Task, in sized) (float64, error) {
		s := 0.0
		for range 50 {
			for _, x := range in.X.Data() {
				s += x * in.Scale
			}
		}
		return s, nil
	})
	classifyMake = Func("test.classify.make", func(t *Task, n int) (shm.View[int64], error) {
		if t.Worker() != 0 || t.Attempt() != 1 || t.Context() == nil {
			return shm.View[int64]{}, errors.New("no proper task")
		}
		out, err := shm.Make[int64](t.Arena(), n)
		if err != nil {
			return shm.View[int64]{}, err
		}
		for i := range out.Data() {
			out.Data()[i] = int64(i)
		}
		return out.View(), nil
	})
	classifyWait = Func("test.classify.wait", func(t *Task, ms int) (int, error) {
		if ms < 0 {
			<-t.Context().Done()
			return 0, t.Context().Err()
		}
		time.Sleep(time.Duration(ms) * time.Millisecond)
		return ms, nil
	})
)

func TestClassifyFn(t *testing.T) {
	before := residue(t)
	third := func(i int) float64 { return float64(i+1) / 3 }
	opts := &ClassifyOptions{Repeats: 1, MinSample: 5 * time.Millisecond}

	c, err := classifySum.Classify(t.Context(), sized{X: filled(t, newRun(t), 100_000, third), Scale: 2}, opts)
	require.NoError(t, err)
	require.Equal(t, int64(800_000), c.Payload.InRefBytes)
	require.Greater(t, c.Payload.InGobBytes, int64(700_000)) // gob leaves zero bytes at the end of a number out
	require.Positive(t, c.Payload.OutGobBytes)
	require.Zero(t, c.Payload.OutRefBytes)
	require.Less(t, c.Payload.ValueBytes, int64(100))
	require.Positive(t, c.Payload.GobShare)
	require.Equal(t, c.Payload.GobShare > 0.15, c.Payload.HandOverRef)

	// Its own arena is emptied between calls, and gone afterwards.
	c, err = classifyMake.Classify(t.Context(), 100_000, opts)
	require.NoError(t, err)
	require.Equal(t, int64(800_000), c.Payload.OutRefBytes)
	require.True(t, c.Payload.HandOverRef, "%s", c.Reason) // making it is far cheaper than gob of it
	require.Contains(t, c.Reason, "is handed over by Ref, and should be")

	for range 8 { // what other tests have left to collect may be counted
		c, err = classifyWait.Classify(t.Context(), 20, opts)
		require.NoError(t, err)
		if c.Class == ClassIO {
			break
		}
	}
	require.Equal(t, ClassIO, c.Class, "%s", c.Reason)
	require.Len(t, c.Warnings, 1)
	require.Contains(t, c.Warnings[0], "planned for processes")

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	_, err = classifyWait.Classify(ctx, -1, opts)
	require.ErrorIs(t, err, context.Canceled)
	eventually(t, func() bool { return residue(t)["goroutines"] <= before["goroutines"] && ownRuns(t) == 1 }, "the function is still there, or its arena beside the argument's")
}

// A function that does not hear of the end of its context keeps its arrays.
func TestClassifyFnLeftBehind(t *testing.T) {
	before := residue(t)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	seen := make(chan int64, 1)
	f := &Fn[int, int]{f: func(t *Task, n int) (int, error) {
		a, err := shm.Make[int64](t.Arena(), n)
		if err != nil {
			return 0, err
		}
		a.Data()[n-1] = 42
		cancel()
		<-release
		seen <- a.Data()[n-1]
		return 0, nil
	}}
	_, err := f.Classify(ctx, 1000, nil)
	require.ErrorIs(t, err, context.Canceled)
	close(release)
	require.Equal(t, int64(42), <-seen)
	eventually(t, func() bool {
		now := residue(t)
		return now["mappings"] <= before["mappings"] && now["goroutines"] <= before["goroutines"] && ownRuns(t) == 0
	}, "its arena is left")
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

func TestClassifyCall(t *testing.T) {
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
	opts := &ClassifyOptions{Repeats: 1, MinSample: 5 * time.Millisecond}
	runtime.GC() // else what other tests leave puts the next collection off
	c, err := ClassifyCall(t.Context(), double, in, &ClassifyOptions{Repeats: 1})
	require.NoError(t, err)
	require.Equal(t, gobSize(t, in), c.Payload.InGobBytes)
	require.Greater(t, c.Payload.OutGobBytes, int64(70_000))
	require.Zero(t, c.Payload.InRefBytes)
	require.True(t, c.Payload.HandOverRef, "%s", c.Reason) // 10 µs against 500
	require.Contains(t, c.Reason, "to a process by Ref, as a shm.View")
	require.Positive(t, c.GCCycles, "it leaves 80 kB at each call")
	require.Positive(t, *c.GCShare)

	c, err = ClassifyCall(t.Context(), func(context.Context, chan int) (int, error) { time.Sleep(time.Millisecond); return 0, nil }, nil, opts)
	require.NoError(t, err)
	require.Nil(t, c.Payload)
	require.Len(t, c.Warnings, 1)
	require.PanicsWithValue(t, "pool: ClassifyCall: f is nil", func() { ClassifyCall[int, int](t.Context(), nil, 0, nil) })
}
