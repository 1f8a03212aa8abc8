package codec

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"time"

	"example.com/handoff/pool/internal/hook"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

const carrierBytes = 8 // before meta

// ErrNotReceived is wrapped where a Carrier did not take what came. The record was whole,
// and the error is the task's own.
var ErrNotReceived = errors.New("it was not received")

// carry appends a Carrier's record. ref is asked for each of its arrays, all of the kind.
func carry(dst []byte, field string, c shm.Carrier, kind shm.Kind, ref RefFunc) (_ []byte, err error) {
	start := len(dst)
	dst = append(dst, make([]byte, carrierBytes)...)
	var arrays []shm.Binder
	type carried struct {
		meta   []byte
		arrays []shm.Binder
	}
	got := make(chan carried, 1)
	err = contain(field, func() (err error) {
		meta, arrays, err := c.Carry(nil)
		got <- carried{meta, arrays}
		return err
	})
	if err != nil {
		return dst[:start], err
	}
	value := <-got
	dst, arrays = append(dst, value.meta...), value.arrays
	if len(arrays) > shm.MaxCarried {
		return dst[:start], fmt.Errorf("%s: %w: %d arrays, at most %d", field, ErrTooLarge, len(arrays), shm.MaxCarried)
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(dst)-start-carrierBytes))
	binary.LittleEndian.PutUint32(dst[start+4:], uint32(len(arrays)))
	for i, b := range arrays {
		path := fmt.Sprintf("%s[%d]", field, i)
		if v := reflect.ValueOf(b); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() || shm.KindOf(b) != kind {
			return dst[:start], fmt.Errorf("%s: a Carrier's arrays are here each a %v, this is %T", path, kind, b)
		}
		w, err := ref(path, b)
		if err != nil {
			return dst[:start], err
		}
		dst = w.Append(dst)
	}
	return dst, nil
}

// receive reads a Carrier's record and returns what follows. An error that wraps
// ErrNotReceived comes with it: the rest can still be read.
func receive(b []byte, field string, c shm.Carrier, kind shm.Kind, bind BindFunc) (rest []byte, err error) {
	if len(b) < carrierBytes {
		return nil, wire.ErrMalformed
	}
	length, n := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if b = b[carrierBytes:]; uint64(length) > uint64(len(b)) || n > shm.MaxCarried {
		return nil, wire.ErrMalformed
	}
	meta, b := bytes.Clone(b[:length]), b[length:] // it may be looked at after carrierTime
	var arrays []shm.Binder
	for i := range n {
		w, rest, err := shm.ReadWireRef(b)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", wire.ErrMalformed, err)
		}
		v, err := shm.NewBinder(kind, w.Ref.DType)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", wire.ErrMalformed, err)
		}
		if err := bind(fmt.Sprintf("%s[%d]", field, i), v, w); err != nil {
			return nil, err
		}
		arrays, b = append(arrays, v), rest
	}
	err = contain(field, func() error { return c.Receive(meta, arrays) })
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrNotReceived, err)
	}
	return b, err
}

// carrierTime bounds a Carrier's method: others' results wait for it.
const carrierTime = 10 * time.Second

// contain runs a Carrier's method, over bytes that may be anybody's, within carrierTime.
func contain(field string, method func() error) error {
	if err := hook.Contain(context.Background(), carrierTime, method); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

var (
	carryMethod = reflect.TypeFor[interface {
		Carry([]byte) ([]byte, []shm.Binder, error)
	}]()
	receiveMethod = reflect.TypeFor[interface {
		Receive([]byte, []shm.Binder) error
	}]()
	releaseMethod = reflect.TypeFor[interface{ Release() }]()
)

// isCarrier reports whether a value of type t crosses by its methods. Those that a struct
// has from a type that it embeds beside other fields know nothing of these: it is walked,
// even where it overrides them, since the two cannot be told apart. A struct that embeds
// nothing else is what its field is.
func isCarrier(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface || !has(t, carryMethod) || !has(t, receiveMethod) {
		return false
	}
	if t.Kind() != reflect.Struct {
		return true
	}
	for i := range t.NumField() {
		f := t.Field(i)
		carries, receives := has(f.Type, carryMethod), has(f.Type, receiveMethod)
		if f.Anonymous && (carries || receives) {
			return t.NumField() == 1 && (carries != receives || isCarrier(f.Type))
		}
	}
	return true
}

// has reports whether t, or a pointer to it, has a method.
func has(t, method reflect.Type) bool {
	return t.Implements(method) || reflect.PointerTo(t).Implements(method)
}
