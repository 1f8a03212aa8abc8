package codec

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A BindFunc binds an array to the memory that a wire ref names.
type BindFunc func(field string, b shm.Binder, w shm.WireRef) error

// Decode fills *v, which is a zero value of the plan's type, from the whole of b, and keeps
// nothing of b, which may change meanwhile. bind is asked to bind each View and Array, and
// may keep pointers into *v, which then must be on the heap; it is nil where there is none.
// What was bound before an error stays bound.
func Decode[T any](p *Plan, b []byte, v *T, bind BindFunc) error {
	switch {
	case p.memory > 0:
		if copy(unsafe.Slice((*byte)(unsafe.Pointer(v)), p.memory), b) != len(b) || len(b) != p.memory {
			return wire.ErrMalformed
		}
		return nil
	case p.flat:
		return p.decodeFlat(b, noescape(unsafe.Pointer(v)), bind)
	case bind != nil:
		return p.decode(b, noescape(unsafe.Pointer(v)), bind)
	}
	made := new(T) // v may be on the stack, which moves
	err := p.decode(b, unsafe.Pointer(made), nil)
	*v = *made
	return err
}

func (p *Plan) decode(b []byte, base unsafe.Pointer, bind BindFunc) error {
	return p.decodeWith(b, base, bind, inPlace{})
}

// decodeWith decodes in place where in has a memo.
func (p *Plan) decodeWith(b []byte, base unsafe.Pointer, bind BindFunc, in inPlace) (err error) {
	d := decoders.Get().(*decoder)
	d.p, d.b, d.bind = p, b, bind
	if in.memo != nil {
		d.place = in
		d.in = &d.place
	}
	defer func() {
		d.free()
		if r := recover(); r != nil { // of a method, or of a key that is not comparable
			err = fmt.Errorf("%w: panic: %.1000v", wire.ErrMalformed, r)
		}
	}()
	if err := d.node(p.root, base); err != nil {
		return err
	}
	if d.left() > 0 {
		return wire.ErrMalformed
	}
	return d.refused
}

func (p *Plan) decodeFlat(b []byte, base unsafe.Pointer, bind BindFunc) error {
	ops := p.root.ops
	for i := range ops {
		o := &ops[i]
		at := unsafe.Add(base, o.off)
		switch o.kind {
		case opBytes:
			if uintptr(len(b)) < o.size {
				return wire.ErrMalformed
			}
			copy(unsafe.Slice((*byte)(at), o.size), b)
			b = b[o.size:]
		case opArray:
			w, rest, err := shm.ReadWireRef(b)
			if err != nil {
				return fmt.Errorf("%w: %w", wire.ErrMalformed, err)
			}
			if bind == nil {
				return wire.ErrMalformed
			}
			if err := bind(o.field, o.unbound(at), w); err != nil {
				return err
			}
			b = rest
		case opBools:
			to := unsafe.Slice((*byte)(at), o.size)
			if copy(to, b) < len(to) || !areBools(to) {
				clear(to)
				return wire.ErrMalformed
			}
			b = b[o.size:]
		case opString:
			if len(b) < lengthBytes {
				return wire.ErrMalformed
			}
			n := int(binary.LittleEndian.Uint32(b))
			if b = b[lengthBytes:]; n > len(b) {
				return wire.ErrMalformed
			}
			*(*string)(at) = string(b[:n])
			b = b[n:]
		}
	}
	if len(b) != 0 {
		return wire.ErrMalformed
	}
	return nil
}
