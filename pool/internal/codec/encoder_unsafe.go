package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"unsafe"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// maxBytes bounds an encoding, so that sums of sizes do not overflow: more than any machine
// has, since a value may lead to the same memory twice.
const maxBytes = 1 << 46

var (
	errFull    = errors.New("no space") // never returned to callers
	errChanged = errors.New("the value changed while it was handed over")
)

// An encoder goes through a value once: to measure it, or to write it.
type encoder struct {
	walk
	b       []byte // nil to measure
	pos     int
	most    int  // that pos may become
	grows   bool // b is made larger as needed
	kept    []kept
	next    int  // of kept
	replay  bool // there is nothing to keep that is not kept
	refs    []pendingRef
	scrap   []byte // of trusted methods, for a moment
	scratch [wire.MaxInline]byte
}

// What a method has returned: it is called once, though a value is gone through twice.
type kept struct {
	o      *op
	bytes  []byte
	arrays []shm.Binder // of a Carrier
}

// A pendingRef is an array whose wire ref is to be made, for the bytes at pos.
type pendingRef struct {
	array     shm.Binder
	field     string
	pos, size int
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

func newEncoder(p *Plan) *encoder {
	e := encoders.Get().(*encoder)
	e.p, e.most = p, wire.MaxInline
	return e
}

func (e *encoder) free() {
	e.restart()
	e.p, e.b, e.grows, e.replay = nil, nil, false, false
	clear(e.kept)
	e.kept = e.kept[:0]
	if cap(e.scrap) > wire.MaxInline {
		e.scrap = nil
	}
	encoders.Put(e)
}

// restart forgets everything but what was kept.
func (e *encoder) restart() {
	e.walk.restart()
	clear(e.refs)
	e.refs = e.refs[:0]
	e.pos, e.next = 0, 0
}

// take makes space for n bytes, and returns where.
func (e *encoder) take(n int) (int, error) {
	pos := e.pos
	if n > e.most-pos || n < 0 {
		return 0, errFull
	}
	e.pos += n
	if e.grows && e.pos > len(e.b) {
		e.b = slices.Grow(e.b, e.pos-len(e.b))
		e.b = e.b[:cap(e.b)]
	}
	return pos, nil
}

func (e *encoder) memory(at unsafe.Pointer, n int) error {
	pos, err := e.take(n)
	if err == nil && e.b != nil {
		copy(e.b[pos:], unsafe.Slice((*byte)(at), n))
	}
	return err
}

func (e *encoder) byte(c byte) error {
	pos, err := e.take(1)
	if err == nil && e.b != nil {
		e.b[pos] = c
	}
	return err
}

// A length has 4 bytes, or 12 if it is huge.
const (
	lengthNil  = 1<<32 - 1
	lengthHuge = 1<<32 - 2 // 8 bytes follow
)

func (e *encoder) length(n int) error {
	size := lengthBytes
	if n >= lengthHuge {
		size += 8
	}
	pos, err := e.take(size)
	if err != nil || e.b == nil {
		return err
	}
	if n < lengthHuge {
		binary.LittleEndian.PutUint32(e.b[pos:], uint32(n))
		return nil
	}
	binary.LittleEndian.PutUint32(e.b[pos:], lengthHuge)
	binary.LittleEndian.PutUint64(e.b[pos+lengthBytes:], uint64(n))
	return nil
}

func (e *encoder) none() error {
	pos, err := e.take(lengthBytes)
	if err == nil && e.b != nil {
		binary.LittleEndian.PutUint32(e.b[pos:], lengthNil)
	}
	return err
}

func (e *encoder) text(s string) error {
	if err := e.length(len(s)); err != nil {
		return err
	}
	pos, err := e.take(len(s))
	if err == nil && e.b != nil {
		copy(e.b[pos:], s)
	}
	return err
}

// align writes zeros up to the next multiple of to.
func (e *encoder) align(to int) error {
	n := -e.pos & (to - 1)
	pos, err := e.take(n)
	if err == nil && e.b != nil {
		clear(e.b[pos : pos+n])
	}
	return err
}

// node goes through one value.
func (e *encoder) node(n *node, base unsafe.Pointer) (err error) {
	if e.b == nil && n.fixed {
		_, err = e.take(n.minBytes)
		return err
	}
	for i := range n.ops {
		o := &n.ops[i]
		at := unsafe.Add(base, o.off)
		switch o.kind {
		case opBytes, opBools:
			err = e.memory(at, int(o.size))
		case opString:
			err = e.text(*(*string)(at))
		case opSliceMem:
			err = e.sliceMemory(o, *(*slice)(at))
		case opStrings:
			err = e.strings(*(*[]string)(at))
		case opSlice:
			err = e.slice(o, *(*slice)(at))
		case opPointer:
			err = e.pointer(o, *(*unsafe.Pointer)(at))
		case opLoop:
			err = e.elements(o, at, o.n)
		case opMap:
			err = e.mapping(o, at)
		case opArray:
			field := ""
			if e.b != nil {
				field = e.path(o)
			}
			err = e.array(field, o.array(at))
		default:
			err = e.method(o, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// A slice is the header of one.
type slice struct {
	data     unsafe.Pointer
	len, cap int
}

func (e *encoder) sliceMemory(o *op, s slice) error {
	if s.data == nil {
		return e.none()
	}
	size := s.len * int(o.size)
	if err := e.sliceLength(o, s.len); err != nil || size == 0 {
		return err
	}
	if err := e.align(e.alignment(size)); err != nil {
		return err
	}
	return e.memory(s.data, size)
}

func (e *encoder) sliceLength(o *op, n int) error {
	switch {
	case o.size == 0 && n > maxEmptyElements:
		return e.fail(o, fmt.Errorf("%w: %d elements without bytes, at most %d", ErrTooLarge, n, maxEmptyElements))
	case o.size > 0 && n > maxBytes/int(o.size):
		return errFull
	}
	return e.length(n)
}

func (e *encoder) strings(s []string) error {
	if s == nil {
		return e.none()
	}
	if err := e.length(len(s)); err != nil {
		return err
	}
	i, pos := 0, e.pos
	for ; i < len(s) && !e.grows; i++ { // as text does
		text := s[i]
		if len(text) > e.most-pos-lengthBytes || len(text) >= lengthHuge {
			break
		}
		if e.b != nil {
			binary.LittleEndian.PutUint32(e.b[pos:], uint32(len(text)))
			copy(e.b[pos+lengthBytes:], text)
		}
		pos += lengthBytes + len(text)
	}
	e.pos = pos
	for ; i < len(s); i++ {
		if err := e.text(s[i]); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) slice(o *op, s slice) error {
	if s.data == nil {
		return e.none()
	}
	if err := e.sliceLength(o, s.len); err != nil {
		return err
	}
	if err := e.enter(o); err != nil {
		return err
	}
	err := e.elements(o, s.data, s.len)
	e.leave()
	return err
}

// elements goes through the elements of an array or a slice.
func (e *encoder) elements(o *op, at unsafe.Pointer, n int) error {
	if o.size == 0 {
		return nil
	}
	e.push(o)
	for i := range n {
		e.at(i)
		if err := e.node(o.elem, unsafe.Add(at, uintptr(i)*o.size)); err != nil {
			return err
		}
	}
	e.pop()
	return nil
}

func (e *encoder) pointer(o *op, to unsafe.Pointer) error {
	if to == nil {
		return e.byte(0)
	}
	if err := e.byte(1); err != nil {
		return err
	}
	if err := e.enter(o); err != nil {
		return err
	}
	e.push(o)
	if err := e.node(o.elem, to); err != nil {
		return err
	}
	e.pop()
	e.leave()
	return nil
}

// array leaves space for a wire ref, which is made at the end.
func (e *encoder) array(field string, b shm.Binder) error {
	size := refBytes + dimensionBytes*b.Ref().Shape.Rank()
	pos, err := e.take(size)
	if err == nil && e.b != nil {
		e.refs = append(e.refs, pendingRef{b, field, pos, size})
	}
	return err
}

func (e *encoder) makeRefs(ref RefFunc) error {
	for _, r := range e.refs {
		w, err := ref(r.field, r.array)
		if err != nil {
			return err
		}
		if len(w.Append(e.b[r.pos:r.pos:r.pos+r.size])) != r.size {
			return fmt.Errorf("%s: %w", r.field, errChanged)
		}
	}
	return nil
}
