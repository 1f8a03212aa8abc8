package arrowipc

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"example.com/handoff/shm"
)

// ArrayOf is c as an Arrow array over the same memory; nothing is copied. It is the
// inverse of [ColumnOf], for columns that workers return. release is called once,
// when the last reference to the array's values is released, or at once with an
// error; c is dead then. It may be nil.
//
// The error wraps [ErrCorrupt] where c claims more elements, bits or nulls than
// its views have.
func ArrayOf[T shm.Element](c Column[T], release func()) (arrow.Array, error) {
	if release == nil {
		release = func() {}
	}
	typ, ok := arrowTypes[shm.DTypeOf[T]()]
	values, valid := c.Values.Bytes(), c.Valid.Data()
	const most = 1 << 56
	switch {
	case !ok:
		release()
		return nil, fmt.Errorf("arrowipc: array of %v: %w", shm.DTypeOf[T](), ErrType)
	case c.Len < 0 || c.Len > most || c.Len != int64(c.Values.Len()), c.Nulls < 0 || c.Nulls > c.Len,
		c.BitOffset < 0 || c.BitOffset > 7, c.Nulls > 0 && int64(len(valid)) < (c.BitOffset+c.Len+7)/8:
		release()
		return nil, fmt.Errorf("arrowipc: array of %v: %w: %d elements in %d, %d nulls, %d bytes of validity from bit %d on",
			shm.DTypeOf[T](), ErrCorrupt, c.Len, c.Values.Len(), c.Nulls, len(valid), c.BitOffset)
	}
	held := &lender{release: release}
	buffers := []*memory.Buffer{nil, memory.NewBufferWithAllocator(values, held)}
	if c.Nulls > 0 && c.BitOffset == 0 {
		buffers[0] = memory.NewBufferBytes(valid[:(c.Len+7)/8])
	} else if c.Nulls > 0 { // the values begin at an element of their own
		shifted := make([]byte, (c.Len+7)/8)
		for i := range shifted {
			shifted[i] = valid[i] >> c.BitOffset
			if i+1 < len(valid) {
				shifted[i] |= valid[i+1] << (8 - c.BitOffset)
			}
		}
		buffers[0] = memory.NewBufferBytes(shifted)
	}
	data := array.NewData(typ, int(c.Len), buffers, nil, int(c.Nulls), 0)
	buffers[1].Release()
	defer data.Release()
	return array.MakeFromData(data), nil
}

// A lender is the allocator of memory that is given back by a call.
type lender struct{ release func() }

func (l *lender) Allocate(int) []byte           { panic("arrowipc: a buffer of a worker's array cannot grow") }
func (l *lender) Reallocate(int, []byte) []byte { return l.Allocate(0) }
func (l *lender) Free([]byte)                   { l.release() }

var arrowTypes = map[shm.DType]arrow.DataType{
	shm.Int8: arrow.PrimitiveTypes.Int8, shm.Int16: arrow.PrimitiveTypes.Int16, shm.Int32: arrow.PrimitiveTypes.Int32, shm.Int64: arrow.PrimitiveTypes.Int64,
	shm.Uint8: arrow.PrimitiveTypes.Uint8, shm.Uint16: arrow.PrimitiveTypes.Uint16, shm.Uint32: arrow.PrimitiveTypes.Uint32, shm.Uint64: arrow.PrimitiveTypes.Uint64,
	shm.Float32: arrow.PrimitiveTypes.Float32, shm.Float64: arrow.PrimitiveTypes.Float64,
}
