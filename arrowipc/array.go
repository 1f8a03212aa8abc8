package arrowipc

import (
	"fmt"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"example.com/handoff/shm"
)

// ArrayOf is c as an Arrow array over the same memory; nothing is copied. It is the
// inverse of [ColumnOf], for the Column of an [OwnedColumn] that a worker has returned. The array holds the memory
// until the last reference to it is released, also past the Release of c's views; the
// caller releases it. In a task nothing holds an argument past the function's return.
//
// release is called once, when the array's memory is released, or at once with an
// error: it is where the owner of c's views releases them. It may be nil.
//
// The error wraps [ErrCorrupt] where c claims more elements, bits or nulls than
// its views have, or [ErrType]. It panics where these were released.
func ArrayOf[T shm.Element](c Column[T], release func()) (_ arrow.Array, err error) {
	held := &holder{release: release}
	held.open.Store(1)
	defer func() { held.Free(nil) }() // with an error this is the last
	if err := c.check(); err != nil {
		return nil, err
	}
	values, err := c.Values.BytesAhead(c.lead())
	if err != nil {
		return nil, err
	}
	buffers := []*memory.Buffer{nil, nil}
	if buffers[1], err = held.buffer(c.Values, values); err != nil {
		return nil, err
	}
	defer buffers[1].Release()
	if c.Nulls > 0 {
		if buffers[0], err = held.buffer(c.Valid, c.Valid.Data()[:c.validBytes()]); err != nil {
			return nil, err
		}
		defer buffers[0].Release()
	}
	data := array.NewData(arrowTypes[shm.DTypeOf[T]()], int(c.Len), buffers, nil, int(c.Nulls), c.lead())
	defer data.Release()
	return array.MakeFromData(data), nil
}

// check holds what c claims against its views.
func (c Column[T]) check() error {
	dtype := shm.DTypeOf[T]()
	const most = 1 << 56
	switch _, ok := arrowTypes[dtype]; {
	case !ok:
		return fmt.Errorf("arrowipc: array of %v: %w", dtype, ErrType)
	case c.Len < 0 || c.Len > most || c.Len != int64(c.Values.Len()), c.Nulls < 0 || c.Nulls > c.Len,
		c.BitOffset < 0 || c.BitOffset > 7, c.Nulls > 0 && int64(c.Valid.Len()) < c.validBytes():
		return fmt.Errorf("arrowipc: array of %v: %w: %d elements in %d, %d nulls, %d bytes of validity from bit %d on",
			dtype, ErrCorrupt, c.Len, c.Values.Len(), c.Nulls, c.Valid.Len(), c.BitOffset)
	}
	if int64(c.lead())*dtype.Size() > c.Values.Ref().Offset {
		return fmt.Errorf("arrowipc: array of %v: %w: validity from bit %d on, and no elements ahead of the first", dtype, ErrCorrupt, c.BitOffset)
	}
	return nil
}

// lead is how many elements ahead of c's first one an Arrow array begins: it has one
// offset for values and bits.
func (c Column[T]) lead() int {
	if c.Nulls == 0 {
		return 0
	}
	return int(c.BitOffset)
}

func (c Column[T]) validBytes() int64 { return (c.BitOffset + c.Len + 7) / 8 }

// A holder is the allocator of an array's buffers that lie in views: the references to
// the buffers are those to the views' memory.
type holder struct {
	open    atomic.Int32 // buffers, and the call that makes them
	pins    []shm.Pin
	release func() // may be nil
}

// buffer is b, a part of v's memory or around it.
func (h *holder) buffer(v interface{ Pin() (shm.Pin, error) }, b []byte) (*memory.Buffer, error) {
	pin, err := v.Pin()
	if err != nil {
		return nil, err
	}
	h.pins = append(h.pins, pin)
	h.open.Add(1)
	return memory.NewBufferWithAllocator(b, h), nil
}

func (h *holder) Allocate(int) []byte           { panic("arrowipc: a buffer of a Column's array cannot grow") }
func (h *holder) Reallocate(int, []byte) []byte { return h.Allocate(0) }

// Free is called by the last Release of each buffer, also of one without bytes.
func (h *holder) Free([]byte) {
	if h.open.Add(-1) > 0 {
		return
	}
	for _, p := range h.pins {
		p.Release()
	}
	if h.release != nil {
		h.release()
	}
}

var arrowTypes = map[shm.DType]arrow.DataType{
	shm.Int8: arrow.PrimitiveTypes.Int8, shm.Int16: arrow.PrimitiveTypes.Int16, shm.Int32: arrow.PrimitiveTypes.Int32, shm.Int64: arrow.PrimitiveTypes.Int64,
	shm.Uint8: arrow.PrimitiveTypes.Uint8, shm.Uint16: arrow.PrimitiveTypes.Uint16, shm.Uint32: arrow.PrimitiveTypes.Uint32, shm.Uint64: arrow.PrimitiveTypes.Uint64,
	shm.Float32: arrow.PrimitiveTypes.Float32, shm.Float64: arrow.PrimitiveTypes.Float64,
}
