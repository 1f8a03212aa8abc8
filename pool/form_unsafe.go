package pool

import (
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

// value is the form of a value with an address; invalid if it has no fields.
func (f *form) value(v reflect.Value) reflect.Value {
	t := v.Type()
	v = reflect.NewAt(t, unsafe.Pointer(v.UnsafeAddr())).Elem() // of an unexported field too
	switch {
	case isArray(t):
		return f.array(v.Addr().Interface().(shm.Binder))
	case isCarrier(t):
		return f.carrier(v.Addr().Interface().(shm.Carrier))
	case gobMethods.own(t) || binaryMethods.own(t):
		return v
	case t.Kind() == reflect.Slice && plain(t.Elem()):
		return f.cut(v, int64(v.Len())*int64(t.Elem().Size()))
	case t.Kind() == reflect.Struct && (f.private || reshaped(t) || t.NumField() == 0):
		var parts []reflect.Value
		var fields []reflect.StructField
		for i := range t.NumField() {
			if t.Field(i).IsExported() || t.Field(i).Anonymous || f.private || reshaped(t.Field(i).Type) {
				f.add(&fields, &parts, v.Field(i))
			}
		}
		return build(fields, parts)
	case t.Kind() == reflect.Array && (f.private && !plain(t) || reshaped(t)):
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

// reshaped reports whether gob needs another form of a t because of what is in its
// fields or elements: Views, Arrays and Carriers, or a struct of which gob would
// encode no more than the field whose methods are promoted.
func reshaped(t reflect.Type) bool {
	switch {
	case isArray(t) || isCarrier(t) || gobMethods.promoted(t) || binaryMethods.promoted(t):
		return true
	case gobMethods.own(t) || binaryMethods.own(t):
		return false
	}
	switch t.Kind() {
	case reflect.Array:
		return reshaped(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if reshaped(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}
