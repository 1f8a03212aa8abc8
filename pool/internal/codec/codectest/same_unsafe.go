package codectest

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"fmt"
	"reflect"
	"unsafe"
)

// Same says where b is not what a is, as after an assignment that copies all that a leads
// to: floats by their bits, nil is not empty, unexported fields too. A type with an Equal
// method of its own, or else with methods that marshal it, is compared by these. Whether
// two pointers lead to one object does not matter.
func Same(a, b reflect.Value) error {
	if a.Type() != b.Type() {
		return fmt.Errorf("a %v, expected a %v", b.Type(), a.Type())
	}
	return same(addressable(a), addressable(b), a.Type().String())
}

func same(a, b reflect.Value, path string) error {
	a, b = Writable(a), Writable(b)
	t := a.Type()
	if equal, ok := byMethod(a, b); ok {
		if !equal {
			return fmt.Errorf("%s: %v, expected %v", path, b, a)
		}
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if t.Field(i).Name == "_" { // not even an assignment has to copy it
				continue
			}
			if err := same(a.Field(i), b.Field(i), path+"."+t.Field(i).Name); err != nil {
				return err
			}
		}
	case reflect.Array:
		return elements(a, b, path)
	case reflect.Slice:
		if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
			return fmt.Errorf("%s: %d elements (nil: %t), expected %d (nil: %t)", path, b.Len(), b.IsNil(), a.Len(), a.IsNil())
		}
		return elements(a, b, path)
	case reflect.String:
		if a.String() != b.String() {
			return fmt.Errorf("%s: %.100q, expected %.100q", path, b.String(), a.String())
		}
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() != b.IsNil() {
			return fmt.Errorf("%s: nil is %t, expected %t", path, b.IsNil(), a.IsNil())
		}
		if a.IsNil() {
			return nil
		}
		x, y := a.Elem(), b.Elem()
		if x.Type() != y.Type() {
			return fmt.Errorf("%s: a %v, expected a %v", path, y.Type(), x.Type())
		}
		return same(addressable(x), addressable(y), "(*"+path+")")
	case reflect.Map:
		return sameMap(a, b, path)
	default:
		if x, y := memory(a), memory(b); !bytes.Equal(x, y) {
			return fmt.Errorf("%s: %v (% x), expected %v (% x)", path, b, y, a, x)
		}
	}
	return nil
}

func elements(a, b reflect.Value, path string) error {
	for i := range a.Len() {
		if err := same(a.Index(i), b.Index(i), path+"[]"); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

// sameMap also bears keys that are not equal to themselves.
func sameMap(a, b reflect.Value, path string) error {
	if a.IsNil() != b.IsNil() || a.Len() != b.Len() {
		return fmt.Errorf("%s: %d entries (nil: %t), expected %d (nil: %t)", path, b.Len(), b.IsNil(), a.Len(), a.IsNil())
	}
	type entry struct{ key, elem reflect.Value }
	var odd []entry // of b, with a key that cannot be looked up
	for it := b.MapRange(); it.Next(); {
		if !b.MapIndex(it.Key()).IsValid() {
			odd = append(odd, entry{addressable(it.Key()), addressable(it.Value())})
		}
	}
next:
	for it := a.MapRange(); it.Next(); {
		key, elem := addressable(it.Key()), addressable(it.Value())
		if got := b.MapIndex(it.Key()); got.IsValid() {
			if err := same(elem, addressable(got), path+"[…]"); err != nil {
				return err
			}
			if err := sameKey(key, b, path); err != nil {
				return err
			}
			continue
		}
		for i, o := range odd {
			if same(key, o.key, "") == nil && same(elem, o.elem, "") == nil {
				odd = append(odd[:i], odd[i+1:]...)
				continue next
			}
		}
		return fmt.Errorf("%s[%v]: missing", path, it.Key())
	}
	return nil
}

// sameKey looks whether b's key that is equal to key is the same: −0 is equal to 0.
func sameKey(key, b reflect.Value, path string) error {
	if !hasFloat(key.Type()) {
		return nil
	}
	for it := b.MapRange(); it.Next(); {
		if it.Key().Equal(key) {
			return same(key, addressable(it.Key()), path+"[key]")
		}
	}
	return nil
}

func hasFloat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128, reflect.Interface:
		return true
	case reflect.Array:
		return hasFloat(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasFloat(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// byMethod compares values of a type with methods for it.
func byMethod(a, b reflect.Value) (equal, ok bool) {
	t := a.Type()
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface || embedsMethods(t) {
		return false, false
	}
	if m := a.MethodByName("Equal"); m.IsValid() && m.Type().NumIn() == 1 && m.Type().In(0) == t &&
		m.Type().NumOut() == 1 && m.Type().Out(0).Kind() == reflect.Bool {
		return m.Call([]reflect.Value{b})[0].Bool(), true
	}
	x, ok := marshalled(a)
	if !ok {
		return false, false
	}
	y, _ := marshalled(b)
	return bytes.Equal(x, y), true
}

// embedsMethods reports whether a struct may have its methods from a field beside others.
func embedsMethods(t reflect.Type) bool {
	if t.Kind() != reflect.Struct || t.NumField() == 1 {
		return false
	}
	for i := range t.NumField() {
		if t.Field(i).Anonymous {
			return true
		}
	}
	return false
}

func marshalled(v reflect.Value) (out []byte, ok bool) {
	var err error
	switch m := v.Addr().Interface().(type) {
	case gob.GobEncoder:
		out, err = m.GobEncode()
	case encoding.BinaryMarshaler:
		out, err = m.MarshalBinary()
	default:
		return nil, false
	}
	return append(out, fmt.Sprint(err)...), true
}

// addressable is v, or a copy.
func addressable(v reflect.Value) reflect.Value {
	if v.CanAddr() {
		return Writable(v)
	}
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}

func memory(v reflect.Value) []byte {
	return unsafe.Slice((*byte)(v.Addr().UnsafePointer()), v.Type().Size())
}
