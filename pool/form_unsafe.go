package pool

import (
	"encoding"
	"encoding/gob"
	"fmt"
	"math"
	"reflect"
	"unsafe"

	"example.com/handoff/shm"
)

// A form makes of a value one that gob takes: Views, Arrays and Carriers become
// slices of their elements, fields that only a pool's codec sees get names.
type form struct {
	private bool    // unexported fields are part of it
	part    float64 // how much of every array is kept

	arrayBytes int64 // of Views, Arrays, Carriers and slices of numbers
	refBytes   int64 // of these, all but the slices
	keptBytes  int64 // of arrayBytes
}

// of is the form of what v points to; nil if it has no fields.
func (f *form) of(v any) any {
	made := f.value(reflect.ValueOf(v).Elem())
	if !made.IsValid() {
		return nil
	}
	return made.Interface()
}

// newLike is a pointer to a zero value of v's type.
func newLike(v any) any { return reflect.New(reflect.TypeOf(v)).Interface() }

var (
	gobEncoderType = reflect.TypeFor[gob.GobEncoder]()
	marshalerType  = reflect.TypeFor[encoding.BinaryMarshaler]()
)

// value is the form of a value with an address; invalid if it has no fields.
func (f *form) value(v reflect.Value) reflect.Value {
	t := v.Type()
	v = reflect.NewAt(t, unsafe.Pointer(v.UnsafeAddr())).Elem() // of an unexported field too
	pt := reflect.PointerTo(t)
	switch {
	case pt.Implements(binderType):
		return f.array(v.Addr().Interface().(shm.Binder))
	case pt.Implements(carrierType):
		return f.carrier(v.Addr().Interface().(shm.Carrier))
	case pt.Implements(gobEncoderType) || pt.Implements(marshalerType):
		return v
	case t.Kind() == reflect.Slice && plain(t.Elem()):
		return f.cut(v, int64(v.Len())*int64(t.Elem().Size()))
	case t.Kind() == reflect.Struct && (f.private || shares(t) || t.NumField() == 0):
		var parts []reflect.Value
		var fields []reflect.StructField
		for i := range t.NumField() {
			if t.Field(i).IsExported() || f.private || shares(t.Field(i).Type) {
				f.add(&fields, &parts, v.Field(i))
			}
		}
		return build(fields, parts)
	case t.Kind() == reflect.Array && (f.private && !plain(t) || shares(t)):
		var parts []reflect.Value
		var fields []reflect.StructField
		for i := range t.Len() {
			f.add(&fields, &parts, v.Index(i))
		}
		return build(fields, parts)
	}
	return v
}

func (f *form) add(fields *[]reflect.StructField, parts *[]reflect.Value, v reflect.Value) {
	if part := f.value(v); part.IsValid() {
		*fields = append(*fields, reflect.StructField{Name: fmt.Sprint("F", len(*fields)), Type: part.Type()})
		*parts = append(*parts, part)
	}
}

func build(fields []reflect.StructField, parts []reflect.Value) reflect.Value {
	if len(fields) == 0 {
		return reflect.Value{}
	}
	s := reflect.New(reflect.StructOf(fields)).Elem()
	for i, part := range parts {
		s.Field(i).Set(part)
	}
	return s
}

func (f *form) array(b shm.Binder) reflect.Value {
	bytes := int64(len(b.Bytes()))
	f.refBytes += bytes
	return f.cut(reflect.ValueOf(b).MethodByName("Data").Call(nil)[0], bytes)
}

func (f *form) carrier(c shm.Carrier) reflect.Value {
	meta, arrays, err := c.Carry(nil)
	if err != nil {
		panic(err)
	}
	fields := []reflect.StructField{{Name: "Meta", Type: reflect.TypeFor[[]byte]()}}
	parts := []reflect.Value{reflect.ValueOf(meta)}
	for i, b := range arrays {
		part := f.array(b)
		fields = append(fields, reflect.StructField{Name: fmt.Sprint("A", i), Type: part.Type()})
		parts = append(parts, part)
	}
	return build(fields, parts)
}

// cut keeps the beginning of a slice.
func (f *form) cut(s reflect.Value, bytes int64) reflect.Value {
	f.arrayBytes += bytes
	n := int(math.Ceil(f.part * float64(s.Len())))
	if s.Len() > 0 {
		f.keptBytes += bytes / int64(s.Len()) * int64(n)
	}
	return s.Slice(0, n)
}

// shares reports whether a value of type t has Views, Arrays or Carriers in its
// fields or elements.
func shares(t reflect.Type) bool {
	if pt := reflect.PointerTo(t); pt.Implements(binderType) || pt.Implements(carrierType) {
		return true
	}
	switch t.Kind() {
	case reflect.Array:
		return shares(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if shares(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}
