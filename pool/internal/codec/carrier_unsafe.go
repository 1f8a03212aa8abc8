package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"unsafe"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

const carrierBytes = 8 // before meta

// ErrNotReceived is wrapped where a value's own method did not take what came. The encoding
// was whole, and the error is the task's own.
var ErrNotReceived = errors.New("it was not received")

// carrier goes through a Carrier: meta bytes, and arrays that are all of the plan's kind.
func (e *encoder) carrier(o *op, at unsafe.Pointer) error {
	k, err := e.keep(o, func() (kept, error) {
		field := e.path(o)
		k, err := contained(field, func() (k kept, err error) {
			k.bytes, k.arrays, err = carrierAt(o.typ, at).Carry(nil)
			return k, err
		})
		switch {
		case err != nil:
			return k, err
		case len(k.arrays) > shm.MaxCarried || len(k.bytes) > math.MaxUint32:
			return k, fmt.Errorf("%s: %w: %d arrays, at most %d", field, ErrTooLarge, len(k.arrays), shm.MaxCarried)
		}
		for i, b := range k.arrays {
			if v := reflect.ValueOf(b); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() || shm.KindOf(b) != e.p.carried() {
				return k, fmt.Errorf("%s[%d]: a Carrier's arrays are here each a %v, this is %T", field, i, e.p.carried(), b)
			}
		}
		return k, nil
	})
	if err != nil {
		return err
	}
	pos, err := e.take(carrierBytes)
	if err != nil {
		return err
	}
	if e.b != nil {
		binary.LittleEndian.PutUint32(e.b[pos:], uint32(len(k.bytes)))
		binary.LittleEndian.PutUint32(e.b[pos+4:], uint32(len(k.arrays)))
	}
	if err := e.bytes(k.bytes); err != nil {
		return err
	}
	field := e.path(o)
	for i, b := range k.arrays {
		if err := e.array(fmt.Sprintf("%s[%d]", field, i), b); err != nil {
			return err
		}
	}
	return nil
}

// carrier makes a Carrier what came.
func (d *decoder) carrier(o *op, at unsafe.Pointer) error {
	if d.left() < carrierBytes || d.bind == nil {
		return wire.ErrMalformed
	}
	head := d.take(carrierBytes)
	length, n := binary.LittleEndian.Uint32(head), binary.LittleEndian.Uint32(head[4:])
	if int64(length) > int64(d.left()) || n > shm.MaxCarried {
		return wire.ErrMalformed
	}
	meta := bytes.Clone(d.take(int(length))) // it may be looked at after methodTime
	field := d.path(o)
	var arrays []shm.Binder
	for i := range n {
		w, rest, err := shm.ReadWireRef(d.b[d.pos:])
		if err != nil {
			return fmt.Errorf("%w: %w", wire.ErrMalformed, err)
		}
		v, err := shm.NewBinder(d.p.carried(), w.Ref.DType)
		if err != nil {
			return fmt.Errorf("%w: %w", wire.ErrMalformed, err)
		}
		if err := d.bind(fmt.Sprintf("%s[%d]", field, i), v, w); err != nil {
			return err
		}
		arrays, d.pos = append(arrays, v), len(d.b)-len(rest)
	}
	c := carrierAt(o.typ, at)
	if err := contain(field, func() error { return c.Receive(meta, arrays) }); err != nil {
		d.refuse(err)
	}
	return nil
}
