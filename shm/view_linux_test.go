package shm

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// A view keeps the mapping although nothing refers to its Segment any more: no
// finalizer unmaps under it.
func TestViewOutlivesItsHandle(t *testing.T) {
	a := newRun(t).NewArena(nil)
	x, err := Make[int64](a, 100000)
	require.NoError(t, err)
	for i := range x.Data() {
		x.Data()[i] = int64(i)
	}
	v := func() OwnedView[int64] {
		seg, err := Attach(x.Ref().Segment, 0, ReadOnly)
		require.NoError(t, err)
		v, err := Bind[int64](seg, x.Ref())
		require.NoError(t, err)
		require.NoError(t, seg.Close())
		return v
	}()
	data := v.Data()
	require.NoError(t, a.Close()) // the name goes; x keeps the block from the next array
	for range 3 {
		runtime.GC()
	}
	sum := int64(0)
	for _, n := range data {
		sum += n
	}
	require.Equal(t, int64(100000*99999/2), sum)
	v.Release()
	x.Release()
}

// Binding a Ref inside a mapped segment, and its release, allocate nothing.
func TestResolvingAllocatesNothing(t *testing.T) {
	if assertions {
		t.Skip("not in CI: the assertion build keeps a record of each view")
	}
	a := newRun(t).NewArena(nil)
	x, err := PutCopy(a, make([]float64, 1000), 10, 100)
	require.NoError(t, err)
	defer x.Release()
	seg, err := Attach(x.Ref().Segment, 0, ReadOnly)
	require.NoError(t, err)
	defer seg.Close()
	ref := x.Ref()
	record := WireRef{ID: 1, Ref: ref}.Append(nil)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		w, _, err := ReadWireRef(record)
		if err != nil {
			t.Fatal(err)
		}
		w.Ref.Segment = seg.Name()
		v, err := Bind[float64](seg, w.Ref)
		if err != nil {
			t.Fatal(err)
		}
		v.Release()
	}))
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		y, err := Make[float64](a, 100)
		if err != nil {
			t.Fatal(err)
		}
		y.Release()
	}), "nor does a block of a warm arena")
	require.Zero(t, testing.AllocsPerRun(1000, func() { x.Own().Release() }))
	require.Zero(t, testing.AllocsPerRun(1000, func() { x.At(9, 99) }))
}

// An OwnedView keeps its elements past the end of what it was made of.
func TestOwnedViews(t *testing.T) {
	a := newRun(t).NewArena(nil)
	x, err := PutCopy(a, []float64{1, 2, 3, 4}, 2, 2)
	require.NoError(t, err)
	whole := x.Own()
	row := x.Row(1).Own()
	again := row.View().Own()
	x.Release()
	require.Panics(t, func() { x.Data() })
	require.Panics(t, func() { x.Own() })
	require.Equal(t, []float64{1, 2, 3, 4}, whole.Data())
	whole.Release()
	require.Panics(t, func() { whole.Data() })
	require.Panics(t, func() { whole.View().Data() })
	require.Panics(t, whole.Release)
	row.Release()
	require.NotZero(t, a.Stats().Live)
	require.NoError(t, a.Close()) // its segment stays mapped for the last
	last := again.Own()
	again.Release()
	require.Equal(t, []float64{3, 4}, last.View().Data())
	last.Release()
	require.Zero(t, a.Stats().Live)
	OwnedView[int8]{}.View().Own().Release()

	require.Panics(t, func() { x.Row(0).Release() }, "a part of an array has none of its own")
	_, has := any(x.View()).(interface{ Release() })
	require.False(t, has, "a View is borrowed")
}

// What was made of an array in a scratch arena ends with it.
func TestResetEndsOwnedViews(t *testing.T) {
	a := newRun(t).NewArena(&ArenaOptions{Scratch: true})
	x, err := Make[float64](a, 4)
	require.NoError(t, err)
	kept, gone := x.Own(), x.Rows(0, 2).Own().View().Own()
	pin, err := kept.Pin()
	require.NoError(t, err)
	a.Reset()
	require.Panics(t, func() { kept.Data() })
	require.Panics(t, func() { gone.Data() })
	require.NotZero(t, a.Stats().Live)
	pin.Release()
	require.Zero(t, a.Stats().Live)
}

// More than 4 GiB in one array: sizes, offsets, parts, another mapping.
func TestLargerThan4GiB(t *testing.T) {
	const rows, cols = 4097, 128 << 10 // of float64: 4 GiB and 1 MiB
	big := Ref{Segment: "x", DType: Float64, Shape: Shape{rank: 2, dims: [MaxRank]int{rows, cols}}}
	require.Equal(t, int64(rows)*cols*8, big.Bytes())
	require.NoError(t, big.Validate(big.Bytes()))
	require.Error(t, big.Validate(big.Bytes()-1))
	if os.Getenv("HANDOFF_SOAK") == "" {
		t.Skip("HANDOFF_SOAK is not set: no array of 4 GiB is made")
	}
	a := newRun(t).NewArena(nil)
	x, err := Make[float64](a, rows, cols)
	require.NoError(t, err)
	t.Logf("%d MiB, %d of it on huge pages", a.Stats().Mapped>>20, a.Stats().Huge>>20)
	last := x.Row(rows - 1)
	require.Equal(t, int64(rows-1)*cols*8, last.Ref().Offset)
	last.Data()[cols-1] = 42
	require.Equal(t, 42.0, x.At(rows-1, cols-1))
	require.Equal(t, 42.0, x.Data()[rows*cols-1])
	require.Equal(t, 42.0, x.Reshape(cols, rows).At(cols-1, rows-1))
	seg, err := Attach(x.Ref().Segment, x.Ref().Bytes(), ReadOnly)
	require.NoError(t, err)
	v, err := Bind[float64](seg, last.Ref())
	require.NoError(t, err)
	require.Equal(t, 42.0, v.At(cols-1))
	v.Release()
	require.NoError(t, seg.Close())
	x.Release()
}

// What prints or encodes an array shows its Ref and no element.
func TestArraysAsText(t *testing.T) {
	x, err := PutCopy(newRun(t).NewArena(nil), []float64{1, 2, 3, 4}, 2, 2)
	require.NoError(t, err)
	defer x.Release()
	in := struct{ X View[float64] }{x.View()}
	require.Equal(t, "{float64 [2 2] at byte 0 of "+x.Ref().Segment+"}", fmt.Sprintf("%v", in))
	require.Equal(t, "uint8 [0]", fmt.Sprint(View[uint8]{}))
	b, err := json.Marshal(in)
	require.NoError(t, err)
	var out struct{ X Ref }
	require.NoError(t, json.Unmarshal(b, &out))
	require.Equal(t, x.Ref(), out.X)
	require.ErrorContains(t, json.Unmarshal(b, &in), "unmarshal a Ref")
}
