package pool

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"time"

	"example.com/handoff/shm"
)

// A field that is a [shm.Carrier] crosses as
//
//	0 length of meta · 4 number of arrays · 8 meta… · wire refs…
const carrierBytes = 8

// errCarrier: a Carrier did not take what came. That is the task's own error: the
// record was whole.
var errCarrier = errors.New("it was not received")

// carry appends a Carrier's record. wire is asked for each of its arrays.
func carry(dst []byte, field string, c shm.Carrier, wire wiring) (_ []byte, err error) {
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
		if v := reflect.ValueOf(b); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() || b.Writable() {
			return dst[:start], fmt.Errorf("%s: a Carrier's arrays are Views, this is %T: hand the View over", path, b)
		}
		w, err := wire(path, b)
		if err != nil {
			return dst[:start], err
		}
		dst = w.Append(dst)
	}
	return dst, nil
}

// receive reads a Carrier's record and returns what follows. An error that wraps
// errCarrier comes with it: the rest can still be read.
func receive(b []byte, field string, c shm.Carrier, bind binding) (rest []byte, err error) {
	if len(b) < carrierBytes {
		return nil, errMalformed
	}
	length, n := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if b = b[carrierBytes:]; uint64(length) > uint64(len(b)) || n > shm.MaxCarried {
		return nil, errMalformed
	}
	meta, b := bytes.Clone(b[:length]), b[length:] // it may be looked at after carrierTime
	var arrays []shm.Binder
	for i := range n {
		w, rest, err := shm.ReadWireRef(b)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errMalformed, err)
		}
		v, err := shm.NewView(w.Ref.DType)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errMalformed, err)
		}
		if err := bind(fmt.Sprintf("%s[%d]", field, i), v, w); err != nil {
			return nil, err
		}
		arrays, b = append(arrays, v), rest
	}
	err = contain(field, func() error { return c.Receive(meta, arrays) })
	if err != nil {
		err = fmt.Errorf("%w: %w", errCarrier, err)
	}
	return b, err
}

// carrierTime bounds a Carrier's method: others' results wait for it.
const carrierTime = 10 * time.Second

// contain runs a Carrier's method: a panic in it, over bytes of a stranger, and
// runtime.Goexit are errors, and do not end whoever polls; nor does it hold them up
// for ever.
func contain(field string, method func() error) error {
	err := waitFor(context.Background(), carrierTime, func() error { return contained(method) })
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}
