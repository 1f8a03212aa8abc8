package classify

import (
	"reflect"

	"example.com/handoff/shm"
)

// inPlace reports whether a value of the type can be made in shared memory: its bytes are in
// slices of numbers, which can be views, or in arrays that are there already. The types of
// strings, maps and pointers are for pool.Share.
func inPlace(t reflect.Type) bool {
	if p := reflect.PointerTo(t); p.Implements(reflect.TypeFor[shm.Binder]()) || p.Implements(reflect.TypeFor[shm.Carrier]()) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if !inPlace(t.Field(i).Type) {
				return false
			}
		}
		return true
	case reflect.Array:
		return inPlace(t.Elem())
	case reflect.Slice:
		k := t.Elem().Kind()
		return t.Elem().PkgPath() == "" && isNumber(k) && k != reflect.Int && k != reflect.Uint // as shm.Element
	}
	return isNumber(t.Kind())
}

func isNumber(k reflect.Kind) bool {
	return reflect.Bool <= k && k <= reflect.Complex128 && k != reflect.Uintptr
}
