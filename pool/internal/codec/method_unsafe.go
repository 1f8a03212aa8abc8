package codec

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"example.com/handoff/pool/internal/wire"
)

// pointerTo is a pointer of a type to a value.
func pointerTo(t reflect.Type, value unsafe.Pointer) any {
	return reflect.NewAt(t, value).Interface()
}

// contained is what a method of the value's own returns, within its bounds.
func contained[R any](field string, method func() (R, error)) (result R, err error) {
	got := make(chan R, 1) // a method that takes too long may return later
	err = contain(field, func() error {
		r, err := method()
		got <- r
		return err
	})
	if err == nil {
		result = <-got
	}
	return result, err
}

// method goes through a value by its own methods, or those of what an interface holds.
func (e *encoder) method(o *op, at unsafe.Pointer) (err error) {
	var k kept
	switch o.kind {
	case opCarrier:
		return e.carrier(o, at)
	case opMarshal:
		if o.method.trusted {
			if e.scrap, err = o.method.append(e.scrap[:0], pointerTo(o.typ, at)); err != nil {
				return e.fail(o, err)
			}
			k.bytes = e.scrap
			break
		}
		k, err = e.keep(o, func() (k kept, err error) {
			k.bytes, err = contained(e.path(o), func() ([]byte, error) { return o.method.append(nil, pointerTo(o.typ, at)) })
			return k, err
		})
	case opInterface:
		holds := reflect.NewAt(o.typ, at).Elem().Elem()
		if !holds.IsValid() {
			return e.byte(0)
		}
		if err := e.byte(1); err != nil {
			return err
		}
		k, err = e.keep(o, func() (k kept, err error) {
			if err := depthWithin(holds, MaxDepth-e.depth); err != nil {
				return k, e.fail(o, err)
			}
			k.bytes, err = contained(e.path(o), func() ([]byte, error) {
				var b bytes.Buffer
				v := holds.Interface()
				err := gob.NewEncoder(&b).Encode(&v)
				return b.Bytes(), err
			})
			return k, err
		})
	}
	if err != nil {
		return err
	}
	if err = e.length(len(k.bytes)); err == nil {
		err = e.bytes(k.bytes)
	}
	return err
}

func (e *encoder) bytes(b []byte) error { return e.memory(unsafe.Pointer(unsafe.SliceData(b)), len(b)) }

// keep calls a method, unless what it has returned is kept.
func (e *encoder) keep(o *op, method func() (kept, error)) (kept, error) {
	if e.grows {
		return method()
	}
	if e.next == len(e.kept) {
		if e.replay {
			return kept{}, errChanged
		}
		k, err := method()
		if err != nil {
			return k, err
		}
		k.o = o
		e.kept = append(e.kept, k)
	}
	k := e.kept[e.next]
	if e.next++; k.o != o {
		return k, errChanged
	}
	return k, nil
}

// refuse notes that a value did not take what came. The rest can still be read.
func (d *decoder) refuse(err error) {
	if d.refused == nil {
		d.refused = fmt.Errorf("%w: %w", ErrNotReceived, err)
	}
}

// method makes a value by its own methods, or an interface hold one.
func (d *decoder) method(o *op, at unsafe.Pointer) error {
	if o.kind == opCarrier {
		return d.carrier(o, at)
	}
	if o.kind == opInterface {
		if holds, err := d.flag(); err != nil || !holds {
			return err
		}
	}
	n, isNil, err := d.length(1)
	if err != nil || isNil {
		return errors.Join(err, wire.ErrMalformed)
	}
	b := bytes.Clone(d.take(n)) // which is the method's, for as long as it likes
	switch {
	case o.kind == opInterface:
		v, err := contained(d.path(o), func() (v any, err error) {
			stream, err := boundGob(b)
			if err == nil {
				err = gob.NewDecoder(bytes.NewReader(stream)).Decode(&v)
			}
			return v, err
		})
		if err != nil {
			d.refuse(err)
		} else if t := reflect.TypeOf(v); t == nil || !t.AssignableTo(o.typ) {
			d.refuse(fmt.Errorf("%s: a %v came for a %v", d.path(o), t, o.typ))
		} else {
			reflect.NewAt(o.typ, at).Elem().Set(reflect.ValueOf(v))
		}
	case o.method.trusted:
		if err := o.method.decode(b, pointerTo(o.typ, at)); err != nil {
			d.refuse(d.fail(o, err))
		}
	default:
		v := reflect.New(o.typ) // a method that takes too long must not write to the value later
		if err := contain(d.path(o), func() error { return o.method.decode(b, v.Interface()) }); err != nil {
			d.refuse(err)
		} else {
			reflect.NewAt(o.typ, at).Elem().Set(v.Elem())
		}
	}
	return nil
}
