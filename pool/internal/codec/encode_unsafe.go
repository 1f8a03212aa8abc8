package codec

import (
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"unsafe"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A RefFunc makes the wire ref of an array. field is its path, for errors.
type RefFunc func(field string, b shm.Binder) (shm.WireRef, error)

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
// written elsewhere. ref is asked for each View and Array when all else is encoded, and is
// nil where there is none. After an error dst is returned as it was.
func Encode[T any](p *Plan, dst []byte, v *T, ref RefFunc) (out []byte, large *Large, err error) {
	if p.memory > 0 {
		return append(dst, unsafe.Slice((*byte)(unsafe.Pointer(v)), p.memory)...), nil, nil
	}
	if p.flat {
		at := noescape(unsafe.Pointer(v))
		if len(p.strings) == 0 || p.fits(at) {
			out, err = p.appendFlat(dst, at, ref)
			return out, nil, err
		}
	}
	return p.encode(dst, keep(v), ref)
}

// EncodeRecovered is Encode for values of a caller that may hold a lock: a panic of the
// value's own methods, and a fault in its memory, are errors.
func EncodeRecovered[T any](p *Plan, dst []byte, v *T, ref RefFunc) (out []byte, large *Large, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, large, err = dst, nil, fmt.Errorf("panic: %.1000v", r)
		}
	}()
	if !p.flat {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	}
	return Encode(p, dst, v, ref)
}

// Measure returns *v ready to be written elsewhere, however few bytes it takes.
func Measure[T any](p *Plan, v *T) (*Large, error) {
	e := newEncoder(p)
	defer e.free()
	return e.measure(keep(v))
}

// keep is a copy of *v on the heap: encoding may go on when the caller has returned, and
// methods may keep what they are given.
func keep[T any](v *T) unsafe.Pointer {
	kept := new(T)
	*kept = *v
	return unsafe.Pointer(kept)
}

// fits reports whether a flat value takes at most wire.MaxInline bytes. It errs towards no.
func (p *Plan) fits(base unsafe.Pointer) bool {
	left := wire.MaxInline - p.flatMost
	for _, off := range p.strings {
		n := len(*(*string)(unsafe.Add(base, off)))
		if n > left {
			return false
		}
		left -= n
	}
	return true
}

// appendFlat appends a flat value that fits.
func (p *Plan) appendFlat(dst []byte, base unsafe.Pointer, ref RefFunc) ([]byte, error) {
	start := len(dst)
	ops := p.root.ops
	for i := range ops {
		o := &ops[i]
		at := unsafe.Add(base, o.off)
		switch o.kind {
		case opBytes, opBools:
			dst = append(dst, unsafe.Slice((*byte)(at), o.size)...)
		case opString:
			s := *(*string)(at)
			dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)))
			dst = append(dst, s...)
		case opArray:
			w, err := ref(o.field, o.array(at))
			if err != nil {
				return dst[:start], err
			}
			dst = w.Append(dst)
		}
	}
	return dst, nil
}

// encode is Encode for any value, which is on the heap.
func (p *Plan) encode(dst []byte, base unsafe.Pointer, ref RefFunc) (_ []byte, large *Large, err error) {
	e := newEncoder(p)
	defer e.free()
	e.b = e.scratch[:]
	switch err = e.node(p.root, base); {
	case err == errFull:
		e.restart()
		large, err = e.measure(base)
		return dst, large, err
	case err == nil:
		err = e.makeRefs(ref)
	}
	if err != nil {
		return dst, nil, err
	}
	return append(dst, e.b[:e.pos]...), nil, nil
}

// measure is called once what methods have returned is in e.kept, or nothing.
func (e *encoder) measure(base unsafe.Pointer) (*Large, error) {
	e.b, e.most = nil, maxBytes
	if err := e.node(e.p.root, base); err != nil {
		if err == errFull {
			err = fmt.Errorf("%w: it takes more than %d bytes", ErrTooLarge, maxBytes)
		}
		return nil, err
	}
	large := &Large{e.p, base, e.pos, e.kept}
	e.kept = nil
	return large, nil
}

// A Large is a value whose encoding does not fit into a message.
type Large struct {
	p     *Plan
	base  unsafe.Pointer
	bytes int
	kept  []kept
}

// Bytes is what the encoding takes.
func (l *Large) Bytes() int64 { return int64(l.bytes) }

// Write writes the encoding to block, which has Bytes bytes, and asks ref when all else is
// written. A value that another goroutine has changed since it was measured is an error,
// unless it is a map, for which Go ends the process. After an error the caller releases
// what ref has pinned.
func (l *Large) Write(block []byte, ref RefFunc) (err error) {
	if len(block) != l.bytes {
		return fmt.Errorf("pool: a block of %d bytes for %d", len(block), l.bytes)
	}
	e := newEncoder(l.p)
	e.b, e.most, e.kept, e.replay = block, len(block), l.kept, true
	defer func() {
		e.kept = nil // they are l's
		e.free()
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %.1000v", r)
		}
	}()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	if err = e.node(l.p.root, l.base); err == errFull || err == nil && (e.pos != len(block) || e.next != len(e.kept)) {
		err = errChanged
	}
	if err != nil {
		return err
	}
	return e.makeRefs(ref)
}
