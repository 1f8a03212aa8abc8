package arrowipc

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/bitutil"

	"example.com/handoff/shm"
)

// A Column is a numeric Arrow array as a task's argument: plain fields, the
// elements and their validity bits in shared memory. It holds nothing of its
// own: its views borrow the array's blocks. A task returns an [OwnedColumn].
//
// It is read-only; a Column may be read from several goroutines and processes.
type Column[T shm.Element] struct {
	Values shm.View[T]    // Len elements; what stands at a null is undefined
	Valid  shm.View[byte] // the bytes of the bitmap that cover them, 1 is valid; without elements if Nulls is 0
	// BitOffset is the bit of Valid's first byte that is element 0, 0 to 7. Where it is
	// not 0 and there are nulls, as many elements must lie ahead of Values in its
	// segment, as they do in a slice of an array: [ArrayOf] counts from there.
	BitOffset int64
	Len       int64 // elements
	Nulls     int64 // nulls among them
}

// An OwnedColumn is a Column in a task's result: whoever gets it releases it.
type OwnedColumn[T shm.Element] struct {
	Values                shm.OwnedView[T]    // as in Column
	Valid                 shm.OwnedView[byte] // as in Column
	BitOffset, Len, Nulls int64               // as in Column
}

// Column borrows from c: it is dead once c was released.
func (c OwnedColumn[T]) Column() Column[T] {
	return Column[T]{c.Values.View(), c.Valid.View(), c.BitOffset, c.Len, c.Nulls}
}

// Release releases c's views.
func (c OwnedColumn[T]) Release() {
	c.Values.Release()
	c.Valid.Release()
}

// Own is c with views of its own, as [shm.View.Own] makes them.
func (c Column[T]) Own() OwnedColumn[T] {
	return OwnedColumn[T]{c.Values.Own(), c.Valid.Own(), c.BitOffset, c.Len, c.Nulls}
}

// IsNull reports whether element i is null. It panics if i is out of range.
func (c Column[T]) IsNull(i int) bool {
	if i < 0 || int64(i) >= c.Len {
		panic(fmt.Sprintf("arrowipc: IsNull(%d) of a column of %d", i, c.Len))
	}
	if c.Nulls == 0 {
		return false
	}
	bit := c.BitOffset + int64(i)
	return c.Valid.Data()[bit/8]>>(bit%8)&1 == 0
}

// ColumnOf is arr, whose buffers lie in a's arena, as a Column; nothing is
// copied. T must be arr's own element type, one of int8…int64, uint8…uint64,
// float32 and float64. The Column is dead once arr was released.
//
// The error wraps [ErrNotShared], [ErrType], or [ErrCorrupt] where arr claims
// more elements or bits than its buffers have, or a [*shm.RefError] where its
// values were cut from a buffer at an offset that T is not aligned to.
func ColumnOf[T shm.Element](a *Allocator, arr arrow.Array) (Column[T], error) {
	dtype := shm.DTypeOf[T]()
	if want, ok := typeIDs[dtype]; !ok || arr.DataType().ID() != want {
		return Column[T]{}, fmt.Errorf("arrowipc: column of %v: %w: the array holds %v", dtype, ErrType, arr.DataType())
	}
	l, err := layoutOf(arr.Data(), int(dtype.Size()))
	if err != nil {
		return Column[T]{}, fmt.Errorf("arrowipc: column of %v: %w", dtype, err)
	}
	c := Column[T]{Len: int64(l.n), Nulls: int64(l.nulls), BitOffset: int64(l.bitOffset)}
	if c.Values, err = part[T](a, l.values, l.n); err != nil {
		return Column[T]{}, fmt.Errorf("arrowipc: column of %v: values: %w", dtype, err)
	}
	if c.Valid, err = part[byte](a, l.valid, len(l.valid)); err != nil {
		return Column[T]{}, fmt.Errorf("arrowipc: column of %v: validity bitmap: %w", dtype, err)
	}
	return c, nil
}

// part is the n elements of b, which lies in a's arena, as a view.
func part[T shm.Element](a *Allocator, b []byte, n int) (shm.View[T], error) {
	if n == 0 {
		return shm.View[T]{}, nil
	}
	v, ok := a.View(b)
	if !ok {
		return shm.View[T]{}, ErrNotShared
	}
	return shm.Reinterpret[T](v, 0, n)
}

var typeIDs = map[shm.DType]arrow.Type{
	shm.Int8: arrow.INT8, shm.Int16: arrow.INT16, shm.Int32: arrow.INT32, shm.Int64: arrow.INT64,
	shm.Uint8: arrow.UINT8, shm.Uint16: arrow.UINT16, shm.Uint32: arrow.UINT32, shm.Uint64: arrow.UINT64,
	shm.Float32: arrow.FLOAT32, shm.Float64: arrow.FLOAT64,
}

// DTypeOf is the dtype of the Column that an array of type t makes; false if t
// is not one of the integer and floating-point types that ColumnOf takes.
func DTypeOf(t arrow.DataType) (shm.DType, bool) {
	for dtype, id := range typeIDs {
		if id == t.ID() {
			return dtype, true
		}
	}
	return 0, false
}

// A layout holds the parts of an array's buffers that its elements occupy. Its bounds are
// checked.
type layout struct {
	values    []byte // n elements
	valid     []byte // the bytes of the bitmap that cover them; nil without nulls
	bitOffset int
	n, nulls  int
}

// layoutOf reads nothing of what the array claims before it was held against
// the buffers. The count of nulls is taken from the bits, never from the claim.
func layoutOf(data arrow.ArrayData, itemBytes int) (l layout, err error) {
	off, n, bufs := data.Offset(), data.Len(), data.Buffers()
	const most = int(^uint(0)>>1) / 16 // times 8 is still an int
	if off < 0 || n < 0 || off > most || n > most || len(bufs) != 2 {
		return l, fmt.Errorf("%w: offset %d, length %d, %d buffers, expected 2", ErrCorrupt, off, n, len(bufs))
	}
	if n == 0 {
		return l, nil
	}
	var valid, values []byte
	if bufs[0] != nil {
		valid = bufs[0].Bytes()
	}
	if bufs[1] != nil {
		values = bufs[1].Bytes()
	}
	if (off+n)*itemBytes > len(values) {
		return l, fmt.Errorf("%w: elements %d to %d of %d bytes each in a buffer of %d bytes", ErrCorrupt, off, off+n, itemBytes, len(values))
	}
	l.values, l.n = values[off*itemBytes:(off+n)*itemBytes], n
	if len(valid) == 0 {
		return l, nil
	}
	first, end := off/8, (off+n+7)/8
	if end > len(valid) {
		return l, fmt.Errorf("%w: validity bits %d to %d in a buffer of %d bytes", ErrCorrupt, off, off+n, len(valid))
	}
	if l.nulls = n - bitutil.CountSetBits(valid, off, n); l.nulls > 0 {
		l.valid, l.bitOffset = valid[first:end], off%8
	}
	return l, nil
}
