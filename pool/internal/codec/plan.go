package codec

import (
	"errors"
	"fmt"
	"reflect"

	"example.com/handoff/shm"
)

// ErrTooLarge is wrapped where an encoded value has more bytes than there is memory for.
var ErrTooLarge = errors.New("pool: too large for a message")

// maxOps bounds a plan: a type with more separate fields is a mistake.
const maxOps = 1024

// A Plan writes values of one type into a message and reads them back, field by field and
// without reflection.
type Plan struct {
	typ      reflect.Type
	result   bool
	ops      []op
	minBytes int  // with empty strings and arrays without dimensions
	arrays   bool // there are Views, OwnedViews, Arrays or Carriers
	carriers bool
}

type op struct {
	kind    opKind
	off     uintptr      // of the field within the value
	size    uintptr      // of an opBytes, in bytes
	array   arrayAt      // of an opArray
	carrier reflect.Type // of an opCarrier
	field   string       // of an opArray or opCarrier: its path, for errors
}

type opKind uint8

const (
	opBytes opKind = iota
	opBool
	opString
	opArray
	opCarrier
)

// CompileArgument returns the plan of an argument type.
func CompileArgument(t reflect.Type) (*Plan, error) { return compile(&Plan{typ: t}) }

// CompileResult returns the plan of a result type, whose arrays are OwnedViews.
func CompileResult(t reflect.Type) (*Plan, error) { return compile(&Plan{typ: t, result: true}) }

func compile(p *Plan) (*Plan, error) {
	if err := p.add(p.typ, 0, p.typ.String()); err != nil {
		return nil, err
	}
	for _, o := range p.ops {
		switch o.kind {
		case opBytes:
			p.minBytes += int(o.size)
		case opBool:
			p.minBytes++
		case opString:
			p.minBytes += 4
		case opArray:
			p.minBytes += len(shm.WireRef{}.Append(nil))
			p.arrays = true
		case opCarrier:
			p.minBytes += carrierBytes
			p.arrays, p.carriers = true, true
		}
	}
	return p, nil
}

// Type is the type of the values.
func (p *Plan) Type() reflect.Type { return p.typ }

// Arrays reports whether values have Views, OwnedViews, Arrays or Carriers.
func (p *Plan) Arrays() bool { return p.arrays }

// Empty reports whether values have no bytes.
func (p *Plan) Empty() bool { return p.minBytes == 0 }

func (p *Plan) add(t reflect.Type, off uintptr, path string) error {
	if len(p.ops) >= maxOps {
		return fmt.Errorf("%s: more than %d separate fields", path, maxOps)
	}
	if array, ok := arrayTypes[t]; ok {
		switch {
		case !p.result && array.kind == shm.KindOwnedView:
			return fmt.Errorf("%s: %v is not possible in an argument, which the function only borrows: make it a shm.View, and hand over the OwnedView's View()", path, t)
		case p.result && array.kind != shm.KindOwnedView:
			return fmt.Errorf("%s: %v is not possible in a result, which the caller has to release: make it a shm.OwnedView, and return the array's Own()", path, t)
		}
		p.ops = append(p.ops, op{kind: opArray, off: off, array: array.at, field: p.field(path)})
		return nil
	}
	if isCarrier(t) {
		if p.result && !has(t, releaseMethod) {
			return fmt.Errorf("%s: %v is a shm.Carrier without a Release method, which one in a result needs: the caller has to release its arrays", path, t)
		}
		p.ops = append(p.ops, op{kind: opCarrier, off: off, carrier: t, field: p.field(path)})
		return nil
	}
	if plain(t) {
		if n := len(p.ops); n > 0 && p.ops[n-1].kind == opBytes && p.ops[n-1].off+p.ops[n-1].size == off {
			p.ops[n-1].size += t.Size()
		} else if t.Size() > 0 {
			p.ops = append(p.ops, op{kind: opBytes, off: off, size: t.Size()})
		}
		return nil
	}
	switch t.Kind() {
	case reflect.Bool:
		p.ops = append(p.ops, op{kind: opBool, off: off})
	case reflect.String:
		p.ops = append(p.ops, op{kind: opString, off: off})
	case reflect.Array:
		for i := range t.Len() {
			if err := p.add(t.Elem(), off+uintptr(i)*t.Elem().Size(), fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if err := p.add(f.Type, off+f.Offset, path+"."+f.Name); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("%s: a value of type %v cannot cross to another process, expected numbers, bools, strings, %s, a shm.Carrier, and arrays and structs of these", path, t, p.arraysAllowed())
	}
	return nil
}

func (p *Plan) arraysAllowed() string {
	if p.result {
		return "shm.OwnedView"
	}
	return "shm.View, shm.Array"
}

// carried is the kind of the arrays of Carriers.
func (p *Plan) carried() shm.Kind {
	if p.result {
		return shm.KindOwnedView
	}
	return shm.KindView
}

// field is path without the package: "In.X" for field X of type main.In.
func (p *Plan) field(path string) string {
	rest, name := path[len(p.typ.String()):], p.typ.Name()
	switch {
	case name != "" && rest != "":
		return name + rest
	case p.result:
		return "result" + rest
	}
	return "argument" + rest
}

// plain reports whether every bit pattern of t's bytes is a value of t: numbers
// and their arrays and structs without padding.
func plain(t reflect.Type) bool {
	if isCarrier(t) {
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

// A Field says how a part of a value travels.
type Field struct {
	Path string // "In.Rows[].Name"
	Type reflect.Type
	Way  string // one of the constants below
}

// The ways in which a field travels.
const (
	Copied      = "copied"
	ByReference = "by reference"
)

// Fields says how each field travels, in their order.
func (p *Plan) Fields() []Field {
	var fields []Field
	var add func(t reflect.Type, path string)
	add = func(t reflect.Type, path string) {
		if _, ok := arrayTypes[t]; ok || isCarrier(t) {
			fields = append(fields, Field{p.field(path), t, ByReference})
		} else if t.Kind() == reflect.Struct && !plain(t) {
			for i := range t.NumField() {
				add(t.Field(i).Type, path+"."+t.Field(i).Name)
			}
		} else {
			fields = append(fields, Field{p.field(path), t, Copied})
		}
	}
	add(p.typ, p.typ.String())
	return fields
}
