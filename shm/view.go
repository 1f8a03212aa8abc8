package shm

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// A View is a read-only typed slice over a segment that somebody else holds: by
// contract everywhere, and by its mapping in every process but the owner's, where a
// store through it faults. It is borrowed from an [Array] or [OwnedView], whose Release
// ends it, or is a task's argument, which ends when the function returns. The zero View
// has no elements.
//
// A View is a value. It may be read from several goroutines and processes at once, as
// long as nobody writes the elements.
type View[T Element] struct{ span[T] }

// An OwnedView is a View that keeps its elements where they are until its own Release,
// which whoever has it must call: the View of a task's result, or what [Bind] or Own has
// made. The zero OwnedView has no elements.
type OwnedView[T Element] struct{ span[T] }

// An Array is a writable typed slice over a segment. One goroutine of one
// process writes an element at a time; the hand-over of the array (a task, a
// channel) orders its writes before the reader's reads. The zero Array has no
// elements.
type Array[T Element] struct {
	span[T]
	borrowed bool // a part of another array, or a task's argument
}

// A span is the implementation of View, OwnedView and Array.
type span[T Element] struct {
	raw []byte // the elements, capped
	ref Ref
	h   *hold // nil without elements
	use uint32
}

// Data is the elements in C order, in place; nothing is copied. The slice is
// dead once the array or view was released: the next owner of the block
// overwrites it. Data itself panics after Release; it looks each time, so take the
// slice once, before a loop. An append to the slice
// copies; it never runs into the neighbouring block.
func (s span[T]) Data() []T {
	s.check()
	return elements[T](s.raw)
}

// Bytes is the same memory as Data, as raw bytes, with the same lifetime.
func (s span[T]) Bytes() []byte {
	s.check()
	return s.raw
}

// At is the element at the given index of each dimension. It panics if there
// are more or fewer indices than dimensions or one is out of range.
func (s span[T]) At(index ...int) T {
	shape := s.Shape()
	at := 0
	for i, x := range index {
		if i >= shape.rank || x < 0 || x >= shape.dims[i] {
			shape.outside(index)
		}
		at = at*shape.dims[i] + x
	}
	if len(index) != shape.rank {
		shape.outside(index)
	}
	return s.Data()[at]
}

// outside panics. It formats a copy, so that the index of a good call stays on the stack.
func (s Shape) outside(index []int) {
	panic(fmt.Sprintf("shm: At%v is outside of shape %v", slices.Clone(index), s))
}

// Len is the number of elements.
func (s span[T]) Len() int { return len(s.raw) / int(DTypeOf[T]().Size()) }

// Shape is the number of elements along each dimension.
func (s span[T]) Shape() Shape { return s.Ref().Shape }

// Ref is the name of the array for other processes. It keeps nothing alive.
func (s span[T]) Ref() Ref {
	if s.ref.DType == 0 { // the zero View or Array: one dimension of length 0
		return Ref{DType: DTypeOf[T](), Shape: Shape{rank: 1}}
	}
	return s.ref
}

// String names the array; it shows no elements.
func (s span[T]) String() string {
	r := s.Ref()
	if s.h == nil {
		return fmt.Sprintf("%v %v", r.DType, r.Shape)
	}
	return fmt.Sprintf("%v %v at byte %d of %s", r.DType, r.Shape, r.Offset, r.Segment)
}

// MarshalJSON writes the array's Ref. There is no way back but [Bind].
func (s span[T]) MarshalJSON() ([]byte, error) { return json.Marshal(s.Ref()) }

// UnmarshalJSON is an error: it is a Ref that is read, and Bind that makes a View of it.
func (s *span[T]) UnmarshalJSON([]byte) error {
	return errors.New("shm: a View or Array cannot be unmarshalled: unmarshal a Ref, Attach its segment and Bind it")
}

// Pin keeps the bytes where they are until the Pin is released. The error wraps
// [ErrReleased].
func (s span[T]) Pin() (Pin, error) { return s.h.pin(s.use) }

// Own is the same elements as an OwnedView: they stay until its Release, also past
// those of what it was made of and of other OwnedViews. It is how a function that runs
// in a worker returns an array, or a part of one; what it has made in its task's arena
// and does not return is released with the task, OwnedViews too. Own panics after
// Release, as Data does, and for a task's argument.
func (s span[T]) Own() OwnedView[T] {
	s.check()
	if s.h != nil {
		s.h, s.use = s.h.own(s.use)
	}
	return OwnedView[T]{s}
}

// View is the same elements, borrowed: the View is dead once v was released.
func (v OwnedView[T]) View() View[T] { return View[T](v) }

// View is a read-only view of the array, borrowed: it is dead once a was released.
func (a Array[T]) View() View[T] { return View[T]{a.span} }

// Release ends the view and every View borrowed from it. Its block goes back to its
// arena when no other OwnedView, Array or [Pin] holds it. Releasing twice panics.
func (v OwnedView[T]) Release() { v.unbind() }

// Release gives the array up: every slice and every View of it is dead after this, and
// its block goes back to its arena once the last OwnedView and [Pin] of it end.
// Releasing twice panics, and so does releasing a part of an array or a task's argument.
func (a Array[T]) Release() {
	if a.borrowed {
		panic("shm: Release of a part of an array, or of a task's argument: only the array that was made or bound has one")
	}
	a.unbind()
}

func (s span[T]) unbind() {
	if s.h != nil && !s.h.release(s.use) {
		panic(fmt.Sprintf("shm: array in segment %q released twice, or after the Reset of its arena", s.h.seg.name))
	}
}

func (s span[T]) check() {
	if s.h != nil && !s.h.live(s.use) {
		panic(fmt.Sprintf("shm: array in segment %q used after Release", s.h.seg.name))
	}
}

// Bind returns a view of what ref describes inside seg, which stays mapped until the
// view's Release. The Ref is checked against the segment ([*RefError]), and the bytes
// of a bool array against 0 and 1. The name in the Ref must be the segment's; seg may be
// nil for an array without elements.
func Bind[T Element](seg *Segment, ref Ref) (OwnedView[T], error) {
	s, err := bind[T](seg, ref)
	return OwnedView[T]{s}, err
}

// BindArray is Bind for a writable array. The segment must be writable here.
func BindArray[T Element](seg *Segment, ref Ref) (Array[T], error) {
	s, err := bindWritable[T](seg, ref)
	return Array[T]{span: s}, err
}

func bindWritable[T Element](seg *Segment, ref Ref) (span[T], error) {
	if seg != nil && !seg.writable {
		return span[T]{}, ref.refuse("the segment is mapped read-only here, expected writable")
	}
	return bind[T](seg, ref)
}

func bind[T Element](seg *Segment, ref Ref) (span[T], error) {
	size := int64(0)
	if seg != nil {
		size = seg.Size()
		if ref.Segment != seg.name {
			return span[T]{}, ref.refuse(fmt.Sprintf("bound to segment %q", seg.name))
		}
	}
	if err := ref.Validate(size); err != nil {
		return span[T]{}, err
	}
	if want := DTypeOf[T](); ref.DType != want {
		return span[T]{}, ref.refuse(fmt.Sprintf("dtype %v, expected %v", ref.DType, want))
	}
	n := ref.Bytes()
	if n == 0 {
		return span[T]{ref: ref}, nil
	}
	raw := seg.mem[ref.Offset : ref.Offset+n : ref.Offset+n]
	if err := seg.checkBools(ref, raw); err != nil {
		return span[T]{}, err
	}
	h, use, err := newHold(seg)
	if err != nil {
		return span[T]{}, err
	}
	return span[T]{raw: raw, ref: ref, h: h, use: use}, nil
}

// checkBools looks at the bytes of a bool array: Go has no bool but 0 and 1. They
// may be gone: another process may have truncated the file.
func (s *Segment) checkBools(r Ref, raw []byte) error {
	if r.DType != Bool {
		return nil
	}
	return s.guarded(func() error {
		for i, b := range raw {
			if b > 1 {
				return r.refuse(fmt.Sprintf("bool element %d is the byte %d, expected 0 or 1", i, b))
			}
		}
		return nil
	})
}

// Reinterpret is the dims elements of type T that start byteOffset bytes into b: it is dead
// when b is. What does not fit or is not aligned is a [*RefError].
func Reinterpret[T Element](b View[byte], byteOffset int64, dims ...int) (View[T], error) {
	shape, err := ShapeOf(dims...)
	if err != nil {
		return View[T]{}, err
	}
	b.check()
	ref := b.ref
	ref.DType, ref.Shape, ref.Offset = DTypeOf[T](), shape, byteOffset
	if ref.Bytes() == 0 {
		ref = Ref{DType: ref.DType, Shape: shape}
		return View[T]{span[T]{ref: ref}}, ref.Validate(0)
	}
	if size := ref.Bytes(); byteOffset < 0 || size > int64(len(b.raw)) || byteOffset > int64(len(b.raw))-size {
		return View[T]{}, ref.refuse(fmt.Sprintf("%d bytes at byte %d of a view of %d", size, byteOffset, len(b.raw)))
	}
	ref.Offset += b.ref.Offset
	if err := ref.Validate(b.h.seg.Size()); err != nil { // the alignment is that of the segment
		return View[T]{}, err
	}
	end := byteOffset + ref.Bytes()
	raw := b.raw[byteOffset:end:end]
	return View[T]{span[T]{raw: raw, ref: ref, h: b.h, use: b.use}}, b.h.seg.checkBools(ref, raw)
}
