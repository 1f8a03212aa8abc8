package shm

import (
	"context"
	"errors"
	"fmt"
)

// Make returns a zeroed array of the given shape in a. It never waits: the
// error wraps [ErrFull] where the arena's budget is used up, is a [*SpaceError]
// where shared memory itself is, and a [*FaultError] where another process has
// truncated the arena's file. The caller ends it with Release.
func Make[T Element](a *Arena, dims ...int) (Array[T], error) {
	arr, dirty, err := alloc[T](a, dims)
	if dirty == 0 {
		return arr, err
	}
	return arr.filled(func(raw []byte) { clear(raw[:min(dirty, int64(len(raw)))]) })
}

// filled is the array after fill has stored to its bytes. Those are reserved, but
// another process may have truncated the file.
func (a Array[T]) filled(fill func(raw []byte)) (Array[T], error) {
	if a.h == nil {
		return a, nil
	}
	if err := a.h.seg.guarded(func() error { fill(a.raw); return nil }); err != nil {
		a.Release()
		return Array[T]{}, err
	}
	return a, nil
}

// MakeWait is Make that waits where the arena's budget is used up, until enough
// was released or ctx ends; the error then wraps both [ErrFull] and ctx's. Calls
// are served in the order of their coming; a Make may overtake them. What could
// never fit is [ErrTooLarge] at once.
func MakeWait[T Element](ctx context.Context, a *Arena, dims ...int) (arr Array[T], err error) {
	ended := a.waitFor(ctx, func() bool {
		arr, err = Make[T](a, dims...)
		return !errors.Is(err, ErrFull) || errors.Is(err, ErrTooLarge)
	})
	if ended != nil {
		if err == nil {
			err = fmt.Errorf("shm: make: %w", ErrFull) // others were before it
		}
		return Array[T]{}, fmt.Errorf("%w: %w", err, ended)
	}
	return arr, err
}

// MakeUnzeroed is Make for a caller who overwrites every element: a recycled
// block shows what this program's earlier array left in it.
func MakeUnzeroed[T Element](a *Arena, dims ...int) (Array[T], error) {
	arr, _, err := alloc[T](a, dims)
	return arr, err
}

// PutCopy copies src into a new array of the given shape, or of src's length if
// there is none. This is the one copy of a hand-over whose bytes are not in
// shared memory yet. A shape of another size panics.
func PutCopy[T Element](a *Arena, src []T, dims ...int) (Array[T], error) {
	if len(dims) == 0 {
		dims = []int{len(src)}
	}
	arr, _, err := alloc[T](a, dims)
	if err != nil {
		return arr, err
	}
	if arr.Len() != len(src) {
		arr.Release()
		panic(fmt.Sprintf("shm: PutCopy of %d elements into shape %v", len(src), dims))
	}
	return arr.filled(func(raw []byte) {
		copyIn(raw, bytesOf(src))
		a.CountCopied(int64(len(raw)))
	})
}

const (
	copyPiece  = 256 << 10
	copyPieces = 16 << 20
)

// copyIn copies src to dst of the same length. Go stores past the caches from
// 1 MiB on, which the reader, who is about to load the same bytes, pays for; so
// what may still be cached when he does is copied in pieces below that.
func copyIn(dst, src []byte) {
	for len(src) > copyPiece && len(src) <= copyPieces {
		n := copy(dst, src[:copyPiece])
		dst, src = dst[n:], src[n:]
	}
	copy(dst, src)
}

// alloc makes an array whose first dirty bytes may hold an earlier one's.
func alloc[T Element](a *Arena, dims []int) (arr Array[T], dirty int64, err error) {
	shape, err := ShapeOf(dims...)
	if err != nil {
		return arr, 0, err
	}
	ref := Ref{DType: DTypeOf[T](), Shape: shape}
	size, why := shape.bytes(ref.DType.Size())
	if why != "" {
		return arr, 0, fmt.Errorf("shm: make %v of %v: %s", ref.DType, shape, why)
	}
	if size == 0 {
		return Array[T]{span: span[T]{ref: ref}}, 0, nil
	}
	b, gen, h, use, dirty, err := a.take(size)
	if err != nil {
		return arr, 0, err
	}
	seg := b.slab.seg
	ref.Segment, ref.Offset, ref.Generation = seg.name, b.off, gen
	return Array[T]{span: span[T]{raw: seg.mem[b.off : b.off+size : b.off+size], ref: ref, h: h, use: use}}, dirty, nil
}

// Lookup returns the view that ref, of an array of this arena or a part of one,
// names. The error wraps [ErrStale] if the block was freed or given out again since
// the Ref was made.
func Lookup[T Element](a *Arena, ref Ref) (OwnedView[T], error) {
	if ref.Bytes() == 0 {
		return Bind[T](nil, ref)
	}
	b, seg := a.find(ref)
	if seg == nil {
		return OwnedView[T]{}, ref.refuse("no segment of this arena")
	}
	h := b.hold.get()
	if h == nil {
		return OwnedView[T]{}, &RefError{ref.Segment, fmt.Sprintf("generation %d at offset %d is not in use", ref.Generation, ref.Offset), ErrStale}
	}
	block, err := h.pin(b.use) // fails if that use has ended meanwhile
	if err != nil {
		return OwnedView[T]{}, &RefError{ref.Segment, "its array was released", ErrStale}
	}
	v, err := Bind[T](seg, ref)
	if err != nil {
		block.Release()
		return v, err
	}
	v.h.under = block
	return v, nil
}
