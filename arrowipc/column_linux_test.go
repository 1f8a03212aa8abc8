package arrowipc

import (
	"fmt"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

// isNull of the test arrays' elements.
func isNull(i int) bool { return i%3 == 1 || i == 16 }

func buildInts(mem memory.Allocator, n int, nulls bool) *array.Int64 {
	bld := array.NewInt64Builder(mem)
	defer bld.Release()
	for i := range n {
		if nulls && isNull(i) {
			bld.AppendNull()
		} else {
			bld.Append(int64(i * 10))
		}
	}
	return bld.NewInt64Array()
}

// Every slice of an array gives the elements and nulls of that slice.
func TestColumnOfSlices(t *testing.T) {
	a, _ := newAllocator(t, 0)
	const n = 27
	for _, nulls := range []bool{false, true} {
		arr := buildInts(a, n, nulls)
		for from := range n + 1 {
			for to := from; to <= n; to++ {
				part := array.NewSlice(arr, int64(from), int64(to))
				c, err := ColumnOf[int64](a, part)
				require.NoError(t, err)
				requireColumn(t, c, from, to, nulls)
				if to > from {
					require.Same(t, &arr.Int64Values()[from], &c.Values.Data()[0], "copied")
				}
				part.Release()
			}
		}
		arr.Release()
	}
}

func requireColumn(t *testing.T, c Column[int64], from, to int, nulls bool) {
	t.Helper()
	require.Equal(t, int64(to-from), c.Len)
	require.Len(t, c.Values.Data(), to-from)
	count := 0
	for i := range to - from {
		null := nulls && isNull(from+i)
		require.Equal(t, null, c.IsNull(i), "[%d:%d] element %d", from, to, i)
		if null {
			count++
		} else {
			require.Equal(t, int64((from+i)*10), c.Values.Data()[i])
		}
	}
	require.Equal(t, int64(count), c.Nulls)
	require.Equal(t, count > 0, c.Valid.Len() > 0)
	if count > 0 {
		require.Equal(t, int64(from%8), c.BitOffset)
		require.Equal(t, (to+7)/8-from/8, c.Valid.Len())
	}
	require.Panics(t, func() { c.IsNull(to - from) })
	require.Panics(t, func() { c.IsNull(-1) })
}

// The views are names that another mapping of the segment resolves.
func TestColumnByName(t *testing.T) {
	a, _ := newAllocator(t, 0)
	arr := buildInts(a, 50, true)
	defer arr.Release()
	part := array.NewSlice(arr, 11, 40)
	defer part.Release()
	c, err := ColumnOf[int64](a, part)
	require.NoError(t, err)
	seg, err := shm.Attach(c.Values.Ref().Segment, 0, shm.ReadOnly)
	require.NoError(t, err)
	defer seg.Close()
	there := OwnedColumn[int64]{BitOffset: c.BitOffset, Len: c.Len, Nulls: c.Nulls}
	there.Values, err = shm.Bind[int64](seg, c.Values.Ref())
	require.NoError(t, err)
	there.Valid, err = shm.Bind[byte](seg, c.Valid.Ref())
	require.NoError(t, err)
	defer there.Release()
	requireColumn(t, there.Column(), 11, 40, true)
	require.NotSame(t, &c.Values.Data()[0], &there.Values.Data()[0])
}

// A pinned column outlives the release of its array.
func TestColumnPinned(t *testing.T) {
	a, arena := newAllocator(t, 0)
	arr := buildInts(a, 8, false)
	c, err := ColumnOf[int64](a, arr)
	require.NoError(t, err)
	pin, err := c.Values.Pin()
	require.NoError(t, err)
	data := c.Values.Data()
	arr.Release()
	require.Zero(t, a.Live())
	require.Equal(t, int64(70), data[7])
	require.Positive(t, arena.Stats().Live, "the pinned block went back")
	pin.Release()
	require.Panics(t, func() { c.Values.Data() })
}

func TestColumnOfEachType(t *testing.T) {
	a, _ := newAllocator(t, 0)
	t.Run("int8", func(t *testing.T) { testType[int8](t, a, arrow.PrimitiveTypes.Int8, "-1", "7") })
	t.Run("int16", func(t *testing.T) { testType[int16](t, a, arrow.PrimitiveTypes.Int16, "-1", "7") })
	t.Run("int32", func(t *testing.T) { testType[int32](t, a, arrow.PrimitiveTypes.Int32, "-1", "7") })
	t.Run("int64", func(t *testing.T) { testType[int64](t, a, arrow.PrimitiveTypes.Int64, "-1", "7") })
	t.Run("uint8", func(t *testing.T) { testType[uint8](t, a, arrow.PrimitiveTypes.Uint8, "255", "7") })
	t.Run("uint16", func(t *testing.T) { testType[uint16](t, a, arrow.PrimitiveTypes.Uint16, "65535", "7") })
	t.Run("uint32", func(t *testing.T) { testType[uint32](t, a, arrow.PrimitiveTypes.Uint32, "9", "7") })
	t.Run("uint64", func(t *testing.T) { testType[uint64](t, a, arrow.PrimitiveTypes.Uint64, "18446744073709551615", "7") })
	t.Run("float32", func(t *testing.T) { testType[float32](t, a, arrow.PrimitiveTypes.Float32, "0.5", "7") })
	t.Run("float64", func(t *testing.T) { testType[float64](t, a, arrow.PrimitiveTypes.Float64, "1e+300", "7") })
}

func testType[T shm.Element](t *testing.T, a *Allocator, typ arrow.DataType, values ...string) {
	bld := array.NewBuilder(a, typ)
	defer bld.Release()
	for _, v := range values {
		require.NoError(t, bld.AppendValueFromString(v))
	}
	bld.AppendNull()
	arr := bld.NewArray()
	defer arr.Release()
	c, err := ColumnOf[T](a, arr)
	require.NoError(t, err)
	for i, want := range values {
		require.Equal(t, want, fmt.Sprint(c.Values.Data()[i]))
	}
	require.Equal(t, int64(1), c.Nulls)
	dtype, ok := DTypeOf(typ)
	require.True(t, ok)
	require.Equal(t, shm.DTypeOf[T](), dtype)
	_, err = ColumnOf[complex128](a, arr)
	require.ErrorIs(t, err, ErrType)
}

func TestColumnOfRefuses(t *testing.T) {
	a, _ := newAllocator(t, 0)
	_, ok := DTypeOf(arrow.FixedWidthTypes.Boolean)
	require.False(t, ok)

	heap := buildInts(memory.DefaultAllocator, 20, true)
	defer heap.Release()
	_, err := ColumnOf[int64](a, heap)
	require.ErrorIs(t, err, ErrNotShared)

	bools := array.NewBooleanBuilder(a)
	defer bools.Release()
	bools.Append(true)
	yes := bools.NewBooleanArray()
	defer yes.Release()
	_, err = ColumnOf[bool](a, yes)
	require.ErrorIs(t, err, ErrType)
	_, err = CopyArray(a, yes)
	require.ErrorIs(t, err, ErrType)

	const most = 1<<63 - 1
	for name, c := range map[string]struct {
		length, offset int
		valid, values  int // bytes; -1: no buffer
	}{
		"values too short":        {4, 0, -1, 31},
		"offset past the values":  {1, 4, -1, 32},
		"no values":               {1, 0, -1, -1},
		"bitmap too short":        {9, 0, 1, 72},
		"offset past the bitmap":  {1, 8, 1, 72},
		"negative length":         {-1, 0, -1, 32},
		"negative offset":         {1, -1, -1, 32},
		"length wraps":            {most, 1, -1, 32},
		"length in bytes wraps":   {1 << 61, 0, -1, 32},
		"offset in bytes wraps":   {1, 1 << 61, -1, 32},
		"length and offset large": {most, most, 1, 32},
	} {
		t.Run(name, func(t *testing.T) {
			arr := buildInts(a, 8, false)
			defer arr.Release()
			buffer := func(n int) *memory.Buffer {
				if n < 0 {
					return nil
				}
				b, err := a.NewBuffer(n)
				require.NoError(t, err)
				return b
			}
			valid, values := buffer(c.valid), buffer(c.values)
			// Arrow's constructors would panic on it; a reader's lazily filled array may not have.
			arr.Data().(*array.Data).Reset(arr.DataType(), c.length, []*memory.Buffer{valid, values}, nil, 0, c.offset)
			memory.ReleaseBuffers([]*memory.Buffer{valid, values})
			_, err := ColumnOf[int64](a, arr)
			require.ErrorIs(t, err, ErrCorrupt)
			_, err = CopyArray(a, arr)
			require.ErrorIs(t, err, ErrCorrupt)
		})
	}
}

func TestView(t *testing.T) {
	a, _ := newAllocator(t, 0)
	b := a.Allocate(1000)
	defer a.Free(b)
	b[500] = 9
	v, ok := a.View(b[490:600])
	require.True(t, ok)
	require.Equal(t, 110, v.Len())
	require.Same(t, &b[490], &v.Data()[0])
	whole, ok := a.View(b)
	require.True(t, ok)
	require.Equal(t, whole.Ref().Offset+490, v.Ref().Offset)
	_, ok = a.View(make([]byte, 10))
	require.False(t, ok)
	none, ok := a.View(b[:0])
	require.True(t, ok)
	require.Zero(t, none.Len())
}

// An array over a part of a buffer that begins in the middle of a block.
func TestColumnOfSlicedBuffer(t *testing.T) {
	a, _ := newAllocator(t, 0)
	buf, err := a.NewBuffer(100)
	require.NoError(t, err)
	defer buf.Release()
	for _, c := range []struct {
		off int
		ok  bool
	}{{16, true}, {4, false}} {
		part := memory.SliceBuffer(buf, c.off, 80)
		data := array.NewData(arrow.PrimitiveTypes.Int64, 10, []*memory.Buffer{nil, part}, nil, 0, 0)
		arr := array.MakeFromData(data)
		data.Release()
		part.Release()
		col, err := ColumnOf[int64](a, arr)
		if c.ok {
			require.NoError(t, err)
			require.Equal(t, int64(10), col.Len)
		} else {
			require.Error(t, err, "misaligned")
		}
		arr.Release()
	}
}

func TestCopyArray(t *testing.T) {
	a, arena := newAllocator(t, 0)
	for _, nulls := range []bool{false, true} {
		heap := buildInts(memory.DefaultAllocator, 60, nulls)
		part := array.NewSlice(heap, 13, 50)
		got, err := CopyArray(a, part)
		require.NoError(t, err)
		c, err := ColumnOf[int64](a, got)
		require.NoError(t, err)
		require.Equal(t, int64(37), c.Len)
		for i := range 37 {
			require.Equal(t, part.IsNull(i), c.IsNull(i))
			if !c.IsNull(i) {
				require.Equal(t, int64((13+i)*10), c.Values.Data()[i])
			}
		}
		live := arena.Stats().Live
		again, err := CopyArray(a, got)
		require.NoError(t, err)
		require.Equal(t, live, arena.Stats().Live, "copied what was there already")
		again.Release()
		got.Release()
		part.Release()
		heap.Release()
	}
	empty := buildInts(memory.DefaultAllocator, 0, false)
	defer empty.Release()
	got, err := CopyArray(a, empty)
	require.NoError(t, err)
	require.Zero(t, got.Len())
	got.Release()

	small, _ := newAllocator(t, 4096)
	heap := buildInts(memory.DefaultAllocator, 10_000, true)
	defer heap.Release()
	_, err = CopyArray(small, heap)
	require.ErrorIs(t, err, shm.ErrFull)
}
