package pool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"example.com/handoff/shm"
)

// A binder turns the address of a View or Array field into a [shm.Binder]
// without reflection or allocation: it is the interface value of some *View[T]
// whose data word is replaced. An interface value of a pointer type is two
// words, the method table and the pointer.
type binder struct{ proto shm.Binder }

func newBinder(t reflect.Type) binder {
	return binder{reflect.New(t).Interface().(shm.Binder)}
}

// A carrier is to a [shm.Carrier] what a binder is to a shm.Binder.
type carrier struct{ proto shm.Carrier }

func newCarrier(t reflect.Type) carrier {
	return carrier{reflect.New(t).Interface().(shm.Carrier)}
}

func (c carrier) at(field unsafe.Pointer) shm.Carrier {
	v := c.proto
	(*[2]unsafe.Pointer)(unsafe.Pointer(&v))[1] = field
	return v
}

func (b binder) at(field unsafe.Pointer) shm.Binder {
	v := b.proto
	(*[2]unsafe.Pointer)(unsafe.Pointer(&v))[1] = field
	return v
}

// noescape hides a pointer from the compiler, which cannot see that wire and
// bind keep none of what they get from encode, nor from decode where bind is nil:
// else every value that is handed over would be an allocation.
//
//go:nosplit
func noescape(p unsafe.Pointer) unsafe.Pointer {
	x := uintptr(p)
	return *(*unsafe.Pointer)(unsafe.Pointer(&x))
}

// address is where b begins.

// encode appends *v, of the codec's type, to dst. wire is asked for each View and Array.
func encode[T any](c *codec, dst []byte, v *T, wire wiring) ([]byte, error) {
	base, start := noescape(unsafe.Pointer(v)), len(dst)
	if c.carriers { // whose methods may keep what they are given
		kept := new(T)
		*kept = *v
		base = unsafe.Pointer(kept)
	}
	for i := range c.ops {
		o := &c.ops[i]
		at := unsafe.Add(base, o.off)
		switch o.kind {
		case opBytes:
			dst = append(dst, unsafe.Slice((*byte)(at), o.size)...)
		case opBool:
			dst = append(dst, *(*byte)(at))
		case opString:
			s := *(*string)(at)
			if len(s) > maxBytes {
				return dst[:start], fmt.Errorf("%w: a string of %d bytes, at most %d", ErrTooLarge, len(s), maxBytes)
			}
			dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)))
			dst = append(dst, s...)
		case opArray:
			w, err := wire(o.field, o.array.at(at))
			if err != nil {
				return dst[:start], err
			}
			dst = w.Append(dst)
		case opCarrier:
			var err error
			if dst, err = carry(dst, o.field, o.carrier.at(at), wire); err != nil {
				return dst[:start], err
			}
		}
	}
	if n := len(dst) - start; n > maxBytes {
		return dst[:start], fmt.Errorf("%w: %v takes %d bytes, at most %d", ErrTooLarge, c.typ, n, maxBytes)
	}
	return dst, nil
}

// decode fills *v from the whole of b, which is a stranger's. bind is asked to
// bind each View and Array, and may keep pointers into *v, which then must be on
// the heap; what it bound before an error stays bound.
func decode[T any](c *codec, b []byte, v *T, bind binding) error {
	base := noescape(unsafe.Pointer(v))
	var refused error // by a Carrier
	for i := range c.ops {
		o := &c.ops[i]
		at := unsafe.Add(base, o.off)
		switch o.kind {
		case opBytes:
			if uintptr(len(b)) < o.size {
				return errMalformed
			}
			copy(unsafe.Slice((*byte)(at), o.size), b)
			b = b[o.size:]
		case opBool:
			if len(b) < 1 || b[0] > 1 {
				return errMalformed
			}
			*(*bool)(at) = b[0] == 1
			b = b[1:]
		case opString:
			if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
				return errMalformed
			}
			n := 4 + int(binary.LittleEndian.Uint32(b))
			*(*string)(at) = string(b[4:n])
			b = b[n:]
		case opArray:
			w, rest, err := shm.ReadWireRef(b)
			if err != nil {
				return fmt.Errorf("%w: %w", errMalformed, err)
			}
			if bind == nil {
				return errMalformed
			}
			if err := bind(o.field, o.array.at(at), w); err != nil {
				return err
			}
			b = rest
		case opCarrier:
			if bind == nil {
				return errMalformed
			}
			rest, err := receive(b, o.field, o.carrier.at(at), bind)
			if err != nil && !errors.Is(err, errCarrier) {
				return err
			}
			refused = errors.Join(refused, err)
			b = rest
		}
	}
	if len(b) != 0 {
		return errMalformed
	}
	return refused
}
