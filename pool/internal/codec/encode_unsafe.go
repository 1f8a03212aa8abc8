package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A RefFunc makes the wire ref of an array. field is its path, for errors.
type RefFunc func(field string, b shm.Binder) (shm.WireRef, error)

// A BindFunc binds an array to the memory that a wire ref names.
type BindFunc func(field string, b shm.Binder, w shm.WireRef) error

// noescape hides a pointer from the compiler, which cannot see that nobody keeps what a
// RefFunc gets, nor what a BindFunc gets that is nil: else every value that is handed over
// would be an allocation. strings.Builder does the same.
//
//go:nosplit
func noescape(p unsafe.Pointer) unsafe.Pointer {
	x := uintptr(p)
	return *(*unsafe.Pointer)(unsafe.Pointer(&x))
}

// Encode appends *v, of the plan's type, to dst if it takes at most wire.MaxInline bytes.
// Else dst is returned as it was, and large is the value, measured and ready to be
// written elsewhere. ref is asked for each View and Array, once everything else is known to
// fit, and is nil where there is none. After an error dst is returned as it was.
func Encode[T any](p *Plan, dst []byte, v *T, ref RefFunc) (out []byte, large *Large, err error) {
	base, start := noescape(unsafe.Pointer(v)), len(dst)
	if p.carriers { // whose methods may keep what they are given
		kept := new(T)
		*kept = *v
		base = unsafe.Pointer(kept)
	}
	out, err = p.append(dst, base, ref)
	n := len(out) - start
	switch {
	case err != nil:
		return out[:start], nil, err
	case n <= wire.MaxInline:
		return out, nil, nil
	case p.arrays:
		return out[:start], nil, fmt.Errorf("%w: %v takes %d bytes, at most %d", ErrTooLarge, p.typ, n, wire.MaxInline)
	}
	kept := new(T)
	*kept = *v
	return out[:start], &Large{p, unsafe.Pointer(kept), n}, nil
}

func (p *Plan) append(dst []byte, base unsafe.Pointer, ref RefFunc) ([]byte, error) {
	for i := range p.ops {
		o := &p.ops[i]
		at := unsafe.Add(base, o.off)
		switch o.kind {
		case opBytes:
			dst = append(dst, unsafe.Slice((*byte)(at), o.size)...)
		case opBool:
			dst = append(dst, *(*byte)(at))
		case opString:
			s := *(*string)(at)
			if len(s) > math.MaxUint32 {
				return dst, fmt.Errorf("%w: a string of %d bytes, at most %d", ErrTooLarge, len(s), math.MaxUint32)
			}
			dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)))
			dst = append(dst, s...)
		case opArray:
			w, err := ref(o.field, o.array(at))
			if err != nil {
				return dst, err
			}
			dst = w.Append(dst)
		case opCarrier:
			var err error
			if dst, err = carry(dst, o.field, carrierAt(o.carrier, at), p.carried(), ref); err != nil {
				return dst, err
			}
		}
	}
	return dst, nil
}

// A Large is a value whose encoding does not fit into a message.
type Large struct {
	p     *Plan
	base  unsafe.Pointer
	bytes int
}

// Bytes is what the encoding takes.
func (l *Large) Bytes() int64 { return int64(l.bytes) }

// Write writes the encoding to block, which has Bytes bytes. A value that another goroutine
// has changed since it was measured is an error. After an error the caller releases what
// ref has pinned.
func (l *Large) Write(block []byte, ref RefFunc) error {
	out, err := l.p.append(block[:0], l.base, ref)
	if err == nil && (len(out) != l.bytes || len(block) != l.bytes || &out[0] != &block[0]) {
		err = errChanged
	}
	return err
}

var errChanged = errors.New("pool: the value changed while it was handed over")

// EncodeRecovered is Encode for values of a caller that may hold a lock: a panic of the
// value's own methods, and a fault in its memory, are errors.
func EncodeRecovered[T any](p *Plan, dst []byte, v *T, ref RefFunc) (out []byte, large *Large, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, large, err = dst, nil, fmt.Errorf("panic: %.1000v", r)
		}
	}()
	return Encode(p, dst, v, ref)
}

// Decode fills *v, of the plan's type, from the whole of b. bind is asked to bind each
// View and Array, and may keep pointers into *v, which then must be on the heap; it is nil
// where there is none. What was bound before an error stays bound.
func Decode[T any](p *Plan, b []byte, v *T, bind BindFunc) error {
	base := noescape(unsafe.Pointer(v))
	var refused error // by a Carrier
	for i := range p.ops {
		o := &p.ops[i]
		at := unsafe.Add(base, o.off)
		switch o.kind {
		case opBytes:
			if uintptr(len(b)) < o.size {
				return wire.ErrMalformed
			}
			copy(unsafe.Slice((*byte)(at), o.size), b)
			b = b[o.size:]
		case opBool:
			if len(b) < 1 || b[0] > 1 {
				return wire.ErrMalformed
			}
			*(*bool)(at) = b[0] == 1
			b = b[1:]
		case opString:
			if len(b) < 4 {
				return wire.ErrMalformed
			}
			n := int(binary.LittleEndian.Uint32(b))
			if b = b[4:]; n > len(b) {
				return wire.ErrMalformed
			}
			*(*string)(at) = string(b[:n])
			b = b[n:]
		case opArray:
			w, rest, err := shm.ReadWireRef(b)
			if err != nil {
				return fmt.Errorf("%w: %w", wire.ErrMalformed, err)
			}
			if bind == nil {
				return wire.ErrMalformed
			}
			if err := bind(o.field, o.array(at), w); err != nil {
				return err
			}
			b = rest
		case opCarrier:
			if bind == nil {
				return wire.ErrMalformed
			}
			rest, err := receive(b, o.field, carrierAt(o.carrier, at), p.carried(), bind)
			if err != nil && !errors.Is(err, ErrNotReceived) {
				return err
			}
			refused = errors.Join(refused, err)
			b = rest
		}
	}
	if len(b) != 0 {
		return wire.ErrMalformed
	}
	return refused
}
