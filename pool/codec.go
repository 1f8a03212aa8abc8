package pool

import (
	"fmt"
	"reflect"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// maxBytes bounds an encoded value.
const maxBytes = wire.MaxInline

// maxOps bounds a compiled codec: a larger argument type is a mistake.
const maxOps = 1024

// A codec writes values of one type into a message and reads them back, field
// by field, without reflection: the type was walked once, at registration. The
// record is the fields in order without padding; both ends run the same binary.
type codec struct {
	typ      reflect.Type
	ops      []op
	minBytes int  // with empty strings and rank-0 arrays
	arrays   bool // it has Views, Arrays or Carriers
	carriers bool
}

type op struct {
	kind  opKind
	off   uintptr // of the field within the value
	size  uintptr // of an opBytes, in bytes
	array binder  // of an opArray: makes a Binder of the field
	// of an opCarrier: makes a Carrier of the field
	carrier carrier
	field   string // of an opArray or opCarrier: its path, for errors
}

type opKind uint8

const (
	opBytes   opKind = iota // size bytes as they are: integers, floats, arrays and structs of them
	opBool                  // one byte, 0 or 1
	opString                // uint32 length, bytes
	opArray                 // a View or Array: a wire ref
	opCarrier               // a shm.Carrier: see carrier.go
)

// compile builds the codec of t. Arrays are allowed in arguments only.
func compile(t reflect.Type, args bool) (*codec, error) {
	c := &codec{typ: t}
	if err := c.add(t, 0, t.String(), args); err != nil {
		return nil, err
	}
	for _, o := range c.ops {
		switch o.kind {
		case opBytes:
			c.minBytes += int(o.size)
		case opBool:
			c.minBytes++
		case opString:
			c.minBytes += 4
		case opArray:
			c.minBytes += len(shm.WireRef{}.Append(nil))
			c.arrays = true
		case opCarrier:
			c.minBytes += carrierBytes
			c.arrays, c.carriers = true, true
		}
	}
	if c.minBytes > maxBytes {
		return nil, fmt.Errorf("%v takes %d bytes, at most %d: hand large data over as a shm.View", t, c.minBytes, maxBytes)
	}
	return c, nil
}

func (c *codec) add(t reflect.Type, off uintptr, path string, args bool) error {
	if len(c.ops) >= maxOps {
		return fmt.Errorf("%s: more than %d separate fields", path, maxOps)
	}
	if isArray(t) {
		array := newBinder(t)
		if !args && array.proto.Writable() {
			return fmt.Errorf("%s: %v is not possible in a result: its memory goes back to the worker, which is its one writer; return the array's View()", path, t)
		}
		c.ops = append(c.ops, op{kind: opArray, off: off, array: array, field: c.field(path, args)})
		return nil
	}
	if isCarrier(t) {
		c.ops = append(c.ops, op{kind: opCarrier, off: off, carrier: newCarrier(t), field: c.field(path, args)})
		return nil
	}
	if plain(t) {
		if n := len(c.ops); n > 0 && c.ops[n-1].kind == opBytes && c.ops[n-1].off+c.ops[n-1].size == off {
			c.ops[n-1].size += t.Size()
		} else if t.Size() > 0 {
			c.ops = append(c.ops, op{kind: opBytes, off: off, size: t.Size()})
		}
		return nil
	}
	switch t.Kind() {
	case reflect.Bool:
		c.ops = append(c.ops, op{kind: opBool, off: off})
	case reflect.String:
		c.ops = append(c.ops, op{kind: opString, off: off})
	case reflect.Array:
		for i := range t.Len() {
			if err := c.add(t.Elem(), off+uintptr(i)*t.Elem().Size(), fmt.Sprintf("%s[%d]", path, i), args); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if err := c.add(f.Type, off+f.Offset, path+"."+f.Name, args); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("%s: a value of type %v cannot cross to another process, expected numbers, bools, strings, shm.View, shm.Array, a shm.Carrier, and arrays and structs of these", path, t)
	}
	return nil
}

// field is path without the package: "In.X" for field X of type main.In.
func (c *codec) field(path string, args bool) string {
	rest, name := path[len(c.typ.String()):], c.typ.Name()
	switch {
	case name != "" && rest != "":
		return name + rest
	case args:
		return "argument" + rest
	}
	return "result" + rest
}

// plain reports whether every bit pattern of t's bytes is a value of t: numbers
// and their arrays and structs without padding.
func plain(t reflect.Type) bool {
	if isCarrier(t) || isArray(t) {
		return false
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return true
	case reflect.Array:
		return plain(t.Elem())
	case reflect.Struct:
		end := uintptr(0)
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Offset != end || !plain(f.Type) {
				return false
			}
			end += f.Type.Size()
		}
		return end == t.Size()
	}
	return false
}

// errMalformed: what came is no encoded value.
var errMalformed = wire.ErrMalformed

// encodeGiven is encode of what a caller hands over: where its own methods panic, or
// its memory faults, that is an error, and unwinds nobody who holds a lock.
func encodeGiven[T any](c *codec, dst []byte, v *T, wire wiring) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = dst, fmt.Errorf("panic: %.1000v", r)
		}
	}()
	return encode(c, dst, v, wire)
}
