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
	a.CountCopied(int64(copy(values.Bytes()[lead:], l.values)))
	var valid *memory.Buffer
	if l.nulls > 0 {
		if valid, err = a.NewBuffer(len(l.valid)); err != nil {
			return nil, err
		}
		defer valid.Release()
		a.CountCopied(int64(copy(valid.Bytes(), l.valid)))
	}
	data := array.NewData(arr.DataType(), l.n, []*memory.Buffer{valid, values}, nil, l.nulls, l.bitOffset)
	defer data.Release()
	return array.MakeFromData(data), nil
}

// Concatenate is the elements of numeric arrays of one type, one behind the other, in
// a's arena: a copy. The caller releases the array; arrays are left as they are. The
// error is an [*AllocError], or Arrow's own for arrays of several types or none.
func Concatenate(a *Allocator, arrays []arrow.Array) (joined arrow.Array, err error) {
	err = a.Contain(func() (err error) {
		joined, err = array.Concatenate(arrays, a)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, b := range joined.Data().Buffers() {
		if b != nil {
			a.CountCopied(int64(b.Len()))
		}
	}
	return joined, nil
}

// here reports whether all of the elements lie in a's arena.
func (l layout) here(a *Allocator) bool {
	_, values := a.View(l.values)
	_, valid := a.View(l.valid)
	return values && valid
}
