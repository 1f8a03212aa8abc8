package shm

import "fmt"

// A Binder is a *View, *OwnedView or *Array of any element type. It is plumbing, for
// code that carries them between processes, as are the functions that take one.
type Binder interface {
	Ref() Ref
	Pin() (Pin, error)
	Bytes() []byte
	kind() Kind
	bind(seg *Segment, ref Ref) (*hold, error)
	unbind()
}

// An OwnedBinder is a Binder with a Release: the *OwnedViews of a result, say.
type OwnedBinder interface {
	Binder
	Release()
}

// A Kind tells the types that implement [Binder] apart.
type Kind uint8

const (
	KindView Kind = iota
	KindOwnedView
	KindArray
)

func (k Kind) String() string {
	return [...]string{"shm.View", "shm.OwnedView", "shm.Array"}[k]
}

// KindOf is the kind of b.
func KindOf(b Binder) Kind { return b.kind() }

// BindTo makes b what ref describes inside seg, as [Bind] and [BindArray] do, and
// replaces what it was without releasing it. It is then dead from [Unbind] on, which
// the caller calls once, or for an OwnedView its owner by Release. A View or Array is
// lent: it has no Own, and the Array no Release, that whoever gets it could call. onRelease, unless nil, is called once, when b has
// ended with every Pin and OwnedView of it; never for an array without elements.
func BindTo(b Binder, seg *Segment, ref Ref, onRelease func()) error {
	h, err := b.bind(seg, ref)
	if h != nil {
		h.onEnd, h.lent = onRelease, b.kind() != KindOwnedView
	}
	return err
}

// Unbind ends what [BindTo] has made. It panics where it has ended before.
func Unbind(b Binder) { b.unbind() }

// NewBinder is a zero value of a kind and element type. The error names a dtype that is
// none.
func NewBinder(kind Kind, dtype DType) (Binder, error) {
	if !dtype.Valid() {
		return nil, fmt.Errorf("shm: %v is not the type of any element", dtype)
	}
	return dtypes[dtype].binder(kind), nil
}

func newBinder[T Element](kind Kind) Binder {
	switch kind {
	case KindView:
		return new(View[T])
	case KindOwnedView:
		return new(OwnedView[T])
	}
	return new(Array[T])
}

func (View[T]) kind() Kind      { return KindView }
func (OwnedView[T]) kind() Kind { return KindOwnedView }
func (Array[T]) kind() Kind     { return KindArray }

func (v *View[T]) bind(seg *Segment, ref Ref) (_ *hold, err error) {
	v.span, err = bind[T](seg, ref)
	return v.h, err
}

func (v *OwnedView[T]) bind(seg *Segment, ref Ref) (_ *hold, err error) {
	v.span, err = bind[T](seg, ref)
	return v.h, err
}

func (a *Array[T]) bind(seg *Segment, ref Ref) (_ *hold, err error) {
	a.span, err = bindWritable[T](seg, ref)
	a.borrowed = true
	return a.h, err
}
