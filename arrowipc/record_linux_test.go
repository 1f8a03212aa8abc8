package arrowipc

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// received is what another process makes of a Record, over a mapping of its own.
func received(t *testing.T, r Record) (_ OwnedRecord, attached *shm.Segment) {
	t.Helper()
	meta, sent, err := r.Carry(nil)
	require.NoError(t, err)
	var views []shm.Binder
	for _, s := range sent {
		if attached == nil {
			attached, err = shm.Attach(s.Ref().Segment, 0, shm.ReadOnly)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, attached.Close()) })
		}
		v, err := shm.NewBinder(shm.KindOwnedView, s.Ref().DType)
		require.NoError(t, err)
		require.NoError(t, shm.BindTo(v, attached, s.Ref(), nil))
		views = append(views, v)
	}
	var got OwnedRecord
	require.NoError(t, got.Receive(meta, views))
	return got, attached
}

// Slices arrive with their nulls, wherever in a byte the first bit stands, and every
// byte of them lies in the segment: nothing is copied or shifted.
func TestRecordOfSlices(t *testing.T) {
	a, _ := newAllocator(t, 0)
	whole := buildInts(a, 60, true)
	defer whole.Release()
	segment := func(attached *shm.Segment) []byte {
		v, err := shm.Bind[byte](attached, shm.Ref{Segment: attached.Name(), DType: shm.Uint8, Shape: shapeOf(t, int(attached.Size()))})
		require.NoError(t, err)
		defer v.Release()
		return v.Data()
	}
	for off := range 17 {
		part := array.NewSlice(whole, int64(off), int64(off+20))
		r, err := RecordOf(a, []arrow.Array{part})
		require.NoError(t, err)
		got, attached := received(t, r)
		arrays, err := got.Record().Arrays()
		require.NoError(t, err)
		require.True(t, array.Equal(part, arrays[0]), "offset %d: %v, expected %v", off, arrays[0], part)
		require.Equal(t, off%8, arrays[0].Data().Offset())
		for _, b := range arrays[0].Data().Buffers() {
			mem := segment(attached)
			off := reflect.ValueOf(b.Bytes()).Pointer() - reflect.ValueOf(mem).Pointer()
			require.Less(t, off, uintptr(len(mem)), "a buffer of %d bytes is a copy", b.Len())
		}
		arrays[0].Release()
		got.Release()
		part.Release()
	}
}

func shapeOf(t *testing.T, dims ...int) shm.Shape {
	s, err := shm.ShapeOf(dims...)
	require.NoError(t, err)
	return s
}

// The memory of an array is held by the references to it, and by nothing else.
func TestArrayOfHoldsItsMemory(t *testing.T) {
	a, arena := newAllocator(t, 0)
	for name, nulls := range map[string]bool{"without nulls": false, "with nulls": true} {
		t.Run(name, func(t *testing.T) {
			values, err := shm.PutCopy(arena, []int64{7, 8, 9})
			require.NoError(t, err)
			c := Column[int64]{Values: values.View(), Len: 3}
			var bits shm.Array[byte]
			if nulls {
				bits, err = shm.PutCopy(arena, []byte{0b101})
				require.NoError(t, err)
				c.Valid, c.Nulls = bits.View(), 1
			}
			released := 0
			arr, err := ArrayOf(c, func() { released++ })
			require.NoError(t, err)
			values.Release()
			bits.Release()
			held := arena.Stats().Live
			require.Positive(t, held)
			arr.Retain()
			arr.Release()
			other := buildInts(a, 100, true) // takes whatever block is free
			require.Equal(t, int64(9), arr.(*array.Int64).Value(2))
			require.Equal(t, nulls, arr.IsNull(1))
			other.Release()
			// A buffer that is kept alone keeps all of it.
			kept := arr.Data().Buffers()[1]
			kept.Retain()
			arr.Release()
			require.Zero(t, released)
			require.Equal(t, held, arena.Stats().Live)
			kept.Release()
			require.Equal(t, 1, released)
			require.Zero(t, arena.Stats().Live)
		})
	}

	released := 0
	arr, err := ArrayOf(Column[int64]{}, func() { released++ })
	require.NoError(t, err)
	require.Zero(t, released)
	arr.Release()
	require.Equal(t, 1, released, "an array without elements is released too")
	require.Panics(t, func() { (&holder{}).Reallocate(1, nil) })
}

// What a Column claims is held against its views; release is called then too.
func TestArrayOfRefuses(t *testing.T) {
	_, arena := newAllocator(t, 0)
	values, err := shm.PutCopy(arena, []int64{1, 2, 3})
	require.NoError(t, err)
	defer values.Release()
	bits, err := shm.PutCopy(arena, []byte{1})
	require.NoError(t, err)
	defer bits.Release()
	good := Column[int64]{Values: values.View(), Valid: bits.View(), Len: 3, Nulls: 2}
	arr, err := ArrayOf(good, nil)
	require.NoError(t, err)
	arr.Release()
	for name, change := range map[string]func(*Column[int64]){
		"too long":              func(c *Column[int64]) { c.Len = 4 },
		"negative":              func(c *Column[int64]) { c.Len = -1 },
		"more nulls":            func(c *Column[int64]) { c.Nulls = 4 },
		"negative nulls":        func(c *Column[int64]) { c.Nulls = -1 },
		"no bits":               func(c *Column[int64]) { c.Valid = shm.View[byte]{} },
		"bits end":              func(c *Column[int64]) { c.BitOffset = 6 },
		"bit 8":                 func(c *Column[int64]) { c.BitOffset = 8 },
		"negative bit":          func(c *Column[int64]) { c.BitOffset = -1 },
		"nothing ahead of them": func(c *Column[int64]) { c.BitOffset = 1 },
	} {
		c := good
		change(&c)
		released := 0
		_, err := ArrayOf(c, func() { released++ })
		require.ErrorIs(t, err, ErrCorrupt, name)
		require.Equal(t, 1, released, name)
		var r Record
		AddColumn(&r, c)
		meta, arrays, err := r.Carry(nil)
		require.NoError(t, err)
		require.ErrorIs(t, new(Record).Receive(meta, arrays), ErrCorrupt, name)
	}
	_, err = ArrayOf(Column[complex128]{}, nil)
	require.ErrorIs(t, err, ErrType)
	stale, err := shm.PutCopy(arena, []int64{1})
	require.NoError(t, err)
	c := Column[int64]{Values: stale.View(), Len: 1}
	stale.Release()
	require.Panics(t, func() { ArrayOf(c, nil) })
}

// sevens is a Record of n values v.
var sevens = pool.Func("arrowipc.sevens", func(t *pool.Task, v float64) (OwnedRecord, error) {
	a := NewAllocator(t.Arena())
	b := array.NewFloat64Builder(a)
	defer b.Release()
	for range 1000 {
		b.Append(v)
	}
	r, err := RecordOf(a, []arrow.Array{b.NewArray()})
	return r.Own(), err
})

// sum reads a Record's arrays, which are the argument's own memory.
var sum = pool.Func("arrowipc.sum", func(t *pool.Task, r Record) (total float64, err error) {
	arrays, err := r.Arrays()
	if err != nil {
		return 0, err
	}
	defer arrays[0].Release()
	for i, v := range arrays[0].(*array.Float64).Float64Values() {
		if arrays[0].IsValid(i) {
			total += v
		}
	}
	if data := arrays[0].Data(); data.Buffers()[0] == nil || data.Offset() == 0 {
		return total, errors.New("expected a bitmap, and an offset into it")
	}
	return total, nil
})

// An array of a result is that of its task until it is released, whatever tasks run
// after the Record was.
func TestArraysOutliveTheRecord(t *testing.T) {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 1})
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Close(ctx)) }()
	get := func(v float64) OwnedRecord {
		f, err := sevens.Submit(ctx, p, v)
		require.NoError(t, err)
		r, err := f.Wait(ctx)
		require.NoError(t, err)
		return r
	}
	r := get(7)
	arrays, err := r.Record().Arrays()
	require.NoError(t, err)
	r.Release()
	for i := range 5 {
		other := get(float64(1000 + i))
		require.Equal(t, 7.0, arrays[0].(*array.Float64).Value(5))
		defer other.Release()
	}
	at := fmt.Sprint(arrays[0])
	arrays[0].Release()
	require.Contains(t, at, "7")

	// A slice with nulls goes to a worker as it lies.
	a := NewAllocator(p.Arena())
	b := array.NewFloat64Builder(a)
	b.AppendValues([]float64{1, 2, 4, 8, 16, 32}, []bool{true, true, true, false, true, true})
	whole := b.NewArray()
	b.Release()
	part := array.NewSlice(whole, 1, 5)
	whole.Release()
	in, err := RecordOf(a, []arrow.Array{part})
	require.NoError(t, err)
	f, err := sum.Submit(ctx, p, in)
	require.NoError(t, err)
	part.Release()
	total, err := f.Wait(ctx)
	require.NoError(t, err)
	require.Equal(t, 22.0, total)
	require.Zero(t, a.Live())
}
