package shm

import "fmt"

// Row is element i of the first dimension: of an array of shape [r, c, …] the
// array of shape [c, …]. It is dead when v is. It panics if i is out of range or v has
// rank 0.
func (v View[T]) Row(i int) View[T] { return View[T]{v.row(i)} }

// Rows is elements lo to hi of the first dimension, without hi, of shape
// [hi−lo, …]. It lives and panics as [View.Row] does.
func (v View[T]) Rows(lo, hi int) View[T] { return View[T]{v.rows(lo, hi)} }

// Reshape is the same elements in another shape. It is dead when v is, and
// panics if the number of elements differs.
func (v View[T]) Reshape(dims ...int) View[T] { return View[T]{v.reshape(dims)} }

// BytesAhead is the bytes of v with those ahead of it in the segment, as many as n
// elements have. They are not v's and may be anybody's or nobody's: it is for formats
// that count from some element before the first one that is looked at, as Arrow does
// where the bit of that is not the first of a byte. A segment that begins less than n
// elements ahead is a [*RefError]. The slice is dead once v was released.
func (v View[T]) BytesAhead(n int) ([]byte, error) {
	v.check()
	if n == 0 || v.h == nil {
		return v.raw, nil
	}
	lead, end := int64(n)*DTypeOf[T]().Size(), v.ref.Offset+int64(len(v.raw))
	if n < 0 || lead > v.ref.Offset {
		return nil, v.ref.refuse(fmt.Sprintf("%d elements ahead of offset %d", n, v.ref.Offset))
	}
	return v.h.seg.mem[v.ref.Offset-lead : end : end], nil
}

// Row is [View.Row], writable. It has no Release of its own.
func (a Array[T]) Row(i int) Array[T] { return Array[T]{a.row(i), true} }

// Rows is [View.Rows], writable: parts that do not overlap may be written by
// different goroutines, or tasks, at the same time.
func (a Array[T]) Rows(lo, hi int) Array[T] { return Array[T]{a.rows(lo, hi), true} }

// Reshape is [View.Reshape], writable.
func (a Array[T]) Reshape(dims ...int) Array[T] { return Array[T]{a.reshape(dims), true} }

func (s span[T]) rows(lo, hi int) span[T] {
	s.check()
	shape := s.Shape()
	if shape.rank == 0 || lo < 0 || hi < lo || hi > shape.dims[0] {
		panic(fmt.Sprintf("shm: rows %d to %d of shape %v", lo, hi, shape))
	}
	size := 0 // of one row, in bytes
	if shape.dims[0] > 0 {
		size = len(s.raw) / shape.dims[0]
	}
	shape.dims[0] = hi - lo
	return s.part(lo*size, hi*size, shape)
}

func (s span[T]) row(i int) span[T] {
	r := s.rows(i, i+1)
	shape := Shape{rank: r.ref.Shape.rank - 1}
	copy(shape.dims[:], r.ref.Shape.dims[1:r.ref.Shape.rank])
	r.ref.Shape = shape
	return r
}

func (s span[T]) reshape(dims []int) span[T] {
	s.check()
	shape, err := ShapeOf(dims...)
	if err != nil || shape.Len() != s.Len() {
		panic(fmt.Sprintf("shm: reshape %v to %v: %d elements", s.Shape(), dims, s.Len()))
	}
	return s.part(0, len(s.raw), shape)
}

// part is bytes lo to hi of s.
func (s span[T]) part(lo, hi int, shape Shape) span[T] {
	s.ref = s.Ref()
	s.ref.Shape = shape
	s.ref.Offset += int64(lo)
	s.raw = s.raw[lo:hi:hi]
	if lo == hi { // no elements: nothing to point at, nothing to pin
		s.ref.Segment, s.ref.Offset, s.ref.Generation, s.raw, s.h = "", 0, 0, nil, nil
	}
	return s
}
