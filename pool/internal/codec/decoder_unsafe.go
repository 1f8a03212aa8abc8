package codec

import (
	"encoding/binary"
	"fmt"
	"sync"
	"unsafe"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A decoder goes through an encoding once. What writes to b may go on: each number is read
// once, and bytes are copied before they are looked at.
type decoder struct {
	walk
	b       []byte
	pos     int // at most len(b)
	bind    BindFunc
	refused error    // by a value's own method
	chunk   []byte   // where short strings go
	in      *inPlace // place; nil: all is copied
	place   inPlace
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

func (d *decoder) free() {
	d.walk.restart()
	d.p, d.b, d.pos, d.bind, d.refused, d.chunk, d.in, d.place = nil, nil, 0, nil, nil, nil, nil, inPlace{}
	decoders.Put(d)
}

func (d *decoder) left() int { return len(d.b) - d.pos }

// take is the next n bytes, of which there are so many.
func (d *decoder) take(n int) []byte {
	b := d.b[d.pos : d.pos+n]
	d.pos += n
	return b
}

func (d *decoder) flag() (bool, error) {
	if d.left() < 1 {
		return false, wire.ErrMalformed
	}
	c := d.take(1)[0]
	if c > 1 {
		return false, wire.ErrMalformed
	}
	return c == 1, nil
}

// length reads how many elements follow, each of at least as many bytes.
func (d *decoder) length(least int) (n int, isNil bool, err error) {
	if d.left() < lengthBytes {
		return 0, false, wire.ErrMalformed
	}
	length := uint64(binary.LittleEndian.Uint32(d.take(lengthBytes)))
	switch length {
	case lengthNil:
		return 0, true, nil
	case lengthHuge:
		if d.left() < 8 {
			return 0, false, wire.ErrMalformed
		}
		length = binary.LittleEndian.Uint64(d.take(8))
	}
	most := maxEmptyElements
	if least > 0 {
		most = d.left() / least
	}
	if length > uint64(most) {
		return 0, false, wire.ErrMalformed
	}
	return int(length), false, nil
}

func (d *decoder) align(to int) error {
	n := -d.pos & (to - 1)
	if n > d.left() {
		return wire.ErrMalformed
	}
	d.pos += n
	return nil
}

// node makes a zero value what was encoded.
func (d *decoder) node(n *node, base unsafe.Pointer) (err error) {
	for i := range n.ops {
		o := &n.ops[i]
		at := unsafe.Add(base, o.off)
		if o.once {
			if err := d.once(o, at); err != nil {
				return err
			}
			continue
		}
		switch o.kind {
		case opBytes, opBools:
			err = d.memory(o, at)
		case opString:
			err = d.text((*string)(at))
		case opSliceMem:
			err = d.sliceMemory(o, (*slice)(at))
		case opStrings:
			err = d.strings(o, (*[]string)(at))
		case opSlice:
			err = d.slice(o, (*slice)(at))
		case opPointer:
			err = d.pointer(o, (*unsafe.Pointer)(at))
		case opLoop:
			err = d.elements(o, at, o.n)
		case opMap:
			err = d.mapping(o, at)
		case opArray:
			err = d.array(d.path(o), o.unbound(at))
		default:
			err = d.method(o, at)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) memory(o *op, at unsafe.Pointer) error {
	if d.left() < int(o.size) {
		return wire.ErrMalformed
	}
	to := unsafe.Slice((*byte)(at), o.size)
	copy(to, d.take(int(o.size)))
	if o.kind == opBools && !areBools(to) {
		return wire.ErrMalformed
	}
	return nil
}

// areBools clears what is none, which must not get into a bool.
func areBools(b []byte) bool {
	var or byte
	for _, c := range b {
		or |= c
	}
	if or > 1 {
		clear(b)
	}
	return or <= 1
}

func (d *decoder) text(s *string) error {
	left := d.b[d.pos:]
	if len(left) < lengthBytes {
		return wire.ErrMalformed
	}
	n := int(binary.LittleEndian.Uint32(left))
	if n >= lengthHuge {
		var isNil bool
		var err error
		if n, isNil, err = d.length(1); err != nil || isNil {
			return malformed(err)
		}
		*s, err = d.newString(d.take(n))
		return err
	}
	if left = left[lengthBytes:]; n > len(left) {
		return wire.ErrMalformed
	}
	d.pos += lengthBytes + n
	if d.in == nil {
		*s = d.string(left[:n])
		return nil
	}
	text, err := d.newString(left[:n])
	*s = text
	return err
}

// Short strings share memory: an allocation takes longer than all else about them
// (BenchmarkStrings). One that is kept keeps at most longestChunk bytes.
const (
	shortString   = 32
	shortestChunk = 64
	longestChunk  = 512
)

func (d *decoder) string(b []byte) string {
	if len(b) > shortString {
		return string(b)
	}
	if len(b) == 0 {
		return ""
	}
	if len(b) > cap(d.chunk)-len(d.chunk) {
		d.chunk = make([]byte, 0, min(max(2*cap(d.chunk), shortestChunk), longestChunk))
	}
	start := len(d.chunk)
	d.chunk = append(d.chunk, b...)
	return unsafe.String(&d.chunk[start], len(b))
}

// malformed is err, or that there is nil where there cannot be.
func malformed(err error) error {
	if err == nil {
		err = wire.ErrMalformed
	}
	return err
}

func (d *decoder) sliceMemory(o *op, s *slice) error {
	n, isNil, err := d.length(int(o.size))
	if err != nil || isNil {
		return err
	}
	bytes := n * int(o.size)
	if bytes == 0 {
		s.data, s.len, s.cap = unsafe.Pointer(&zeroSized), n, n
		return nil
	}
	if err := d.align(d.alignment(bytes)); err != nil || d.left() < bytes {
		return malformed(err)
	}
	mem, err := d.newMemory(o, d.take(bytes), n)
	if err != nil {
		return err
	}
	s.data, s.len, s.cap = mem, n, n
	return nil
}

// zeroSized is where elements without bytes are.
var zeroSized struct{}

// boolsIn looks at the bools of n elements without pointers.
func boolsIn(of *node, at unsafe.Pointer, size uintptr, n int) bool {
	for i := range of.ops {
		o := &of.ops[i]
		if o.kind == opBools && o.size == size {
			return areBools(unsafe.Slice((*byte)(at), n*int(size)))
		}
		for k := range n {
			field := unsafe.Add(at, uintptr(k)*size+o.off)
			switch {
			case o.kind == opBools && !areBools(unsafe.Slice((*byte)(field), o.size)),
				o.kind == opLoop && o.elem.bools && !boolsIn(o.elem, field, o.size, o.n):
				return false
			}
		}
	}
	return true
}

func (d *decoder) strings(o *op, s *[]string) error {
	n, isNil, err := d.length(lengthBytes)
	if err != nil || isNil {
		return err
	}
	at, err := d.newElements(o, n)
	if err != nil {
		return err
	}
	made := unsafe.Slice((*string)(at), n)
	for i := range made {
		if err := d.text(&made[i]); err != nil {
			return err
		}
	}
	*s = made
	return nil
}

func (d *decoder) slice(o *op, s *slice) error {
	n, isNil, err := d.length(o.elem.minBytes)
	if err != nil || isNil {
		return err
	}
	if err := d.enter(o); err != nil {
		return err
	}
	if s.data, err = d.newElements(o, n); err != nil {
		return err
	}
	s.len, s.cap = n, n
	err = d.elements(o, s.data, n)
	d.leave()
	return err
}

func (d *decoder) elements(o *op, at unsafe.Pointer, n int) error {
	if o.size == 0 {
		return nil
	}
	d.push(o)
	for i := range n {
		d.at(i)
		if err := d.node(o.elem, unsafe.Add(at, uintptr(i)*o.size)); err != nil {
			return err
		}
	}
	d.pop()
	return nil
}

func (d *decoder) pointer(o *op, to *unsafe.Pointer) error {
	if points, err := d.flag(); err != nil || !points {
		return err
	}
	if d.left() < o.elem.minBytes {
		return wire.ErrMalformed
	}
	if err := d.enter(o); err != nil {
		return err
	}
	made, err := d.newElements(o, 1)
	if err != nil {
		return err
	}
	*to = made
	d.push(o)
	if err := d.node(o.elem, *to); err != nil {
		return err
	}
	d.pop()
	d.leave()
	return nil
}

func (d *decoder) array(field string, b shm.Binder) error {
	if d.bind == nil {
		return wire.ErrMalformed
	}
	w, rest, err := shm.ReadWireRef(d.b[d.pos:])
	if err != nil {
		return fmt.Errorf("%w: %w", wire.ErrMalformed, err)
	}
	d.pos = len(d.b) - len(rest)
	return d.bind(field, b, w)
}
