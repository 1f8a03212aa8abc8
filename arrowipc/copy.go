package arrowipc

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// CopyArray is a numeric array with the elements of arr and its buffers in a's
// arena, ready for ColumnOf. If they lie elsewhere they are copied, only the part
// that arr's elements are; if they are there already the buffers are shared. The
// caller releases the array; arr is left as it is.
//
// The error wraps [ErrType] and [ErrCorrupt] as ColumnOf's does, or is an
// [*AllocError].
func CopyArray(a *Allocator, arr arrow.Array) (arrow.Array, error) {
	dtype, ok := DTypeOf(arr.DataType())
	if !ok {
		return nil, fmt.Errorf("arrowipc: copy array: %w: %v is not an integer or float", ErrType, arr.DataType())
	}
	size := int(dtype.Size())
	l, err := layoutOf(arr.Data(), size)
	if err != nil {
		return nil, fmt.Errorf("arrowipc: copy array: %w", err)
	}
	if l.here(a) {
		arr.Retain()
		return arr, nil
	}
	// Values and bits share one offset, so the copy starts with the whole byte
	// of bits that its first element stands in.
	values, err := a.NewBuffer((l.bitOffset + l.n) * size)
	if err != nil {
		return nil, err
	}
	defer values.Release()
	lead := l.bitOffset * size
	clear(values.Bytes()[:lead])
	copy(values.Bytes()[lead:], l.values)
	var valid *memory.Buffer
	if l.nulls > 0 {
		if valid, err = a.NewBuffer(len(l.valid)); err != nil {
			return nil, err
		}
		defer valid.Release()
		copy(valid.Bytes(), l.valid)
	}
	data := array.NewData(arr.DataType(), l.n, []*memory.Buffer{valid, values}, nil, l.nulls, l.bitOffset)
	defer data.Release()
	return array.MakeFromData(data), nil
}

// here reports whether all of the elements lie in a's arena.
func (l layout) here(a *Allocator) bool {
	_, values := a.View(l.values)
	_, valid := a.View(l.valid)
	return values && valid
}
