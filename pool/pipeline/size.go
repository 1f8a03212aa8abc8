package pipeline

import (
	"reflect"

	"example.com/handoff/shm"
)

// A Sizer is an item that says how many bytes it takes. The pipeline asks it once, when
// the item has come out of a stage. Of other items it counts the value itself, strings,
// slices, and the arrays of Views, in arrays, structs and slices, and behind a pointer
// that is the item. What is behind other pointers, in maps and interfaces, or only
// reached by methods of unexported fields, is not counted, but for the arrays that the
// pipeline holds for the item. A Sizer among them is asked, also one that a struct embeds
// beside other fields: its method is not the struct's.
type Sizer interface {
	// SizeBytes is the memory that the item keeps alive, in bytes, 0 or more. It is called
	// by the goroutine that has the item.
	SizeBytes() int64
}

// An array is a View or an Array of shm.
type array interface{ Ref() shm.Ref }

// A sizer returns what an item takes in the heap, and in arrays.
type sizer[T any] func(v *T) (heap, arrays int64)

// largestItem is the most that an item is charged with, 256 TiB: sums of them do not
// overflow.
const largestItem = 1 << 48

// charge is what an item is charged with that holds so many bytes of arrays, which are
// those in it as a rule.
func charge(heap, arrays, held int64) int64 {
	return min(min(heap, largestItem)+min(max(arrays, held), largestItem), largestItem)
}

func newSizer[T any]() sizer[T] {
	t := reflect.TypeFor[T]()
	own := int64(t.Size())
	switch t.Kind() {
	case reflect.Interface:
		return func(v *T) (heap, arrays int64) {
			e := reflect.ValueOf(v).Elem().Elem()
			if e.Kind() == reflect.Pointer {
				e = e.Elem()
			}
			if s, ok := as[Sizer](e); ok {
				return 0, max(s.SizeBytes(), 0)
			}
			return own, 0
		}
	case reflect.Pointer:
		return func(v *T) (heap, arrays int64) {
			e := reflect.ValueOf(v).Elem().Elem()
			if !e.IsValid() {
				return own, 0
			}
			heap, arrays, whole := behind(e)
			if whole {
				return heap, arrays
			}
			return heap + int64(e.Type().Size()) + own, arrays
		}
	}
	if fixed(t) {
		return func(*T) (heap, arrays int64) { return own, 0 }
	}
	return func(v *T) (heap, arrays int64) {
		heap, arrays, whole := behind(reflect.ValueOf(v).Elem())
		if whole {
			return heap, arrays
		}
		return heap + own, arrays
	}
}

// behind returns what v refers to. whole says that v is a Sizer, whose own bytes are in
// what it says.
func behind(v reflect.Value) (heap, arrays int64, whole bool) {
	if s, ok := as[Sizer](v); ok {
		return 0, max(s.SizeBytes(), 0), true
	}
	if a, ok := as[array](v); ok {
		ref := a.Ref()
		return 0, ref.Bytes(), false
	}
	t := v.Type()
	add := func(part reflect.Value) {
		h, a, whole := behind(part)
		if whole { // its own bytes are counted with v's
			a = max(a-int64(part.Type().Size()), 0)
		}
		heap, arrays = heap+h, arrays+min(a, largestItem)
	}
	switch t.Kind() {
	case reflect.String:
		return int64(v.Len()), 0, false
	case reflect.Struct:
		for i := range v.NumField() {
			add(v.Field(i))
		}
		return heap, arrays, false
	case reflect.Slice:
		heap = int64(v.Cap()) * int64(t.Elem().Size())
	case reflect.Array:
	default:
		return 0, 0, false
	}
	if !fixed(t.Elem()) {
		for i := range v.Len() {
			add(v.Index(i))
		}
	}
	return heap, arrays, false
}

// fixed reports whether values of t refer to nothing that is counted.
func fixed(t reflect.Type) bool {
	if declares[Sizer](t) || declares[array](t) {
		return false
	}
	switch t.Kind() {
	case reflect.String, reflect.Slice:
		return false
	case reflect.Array:
		return fixed(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !fixed(t.Field(i).Type) {
				return false
			}
		}
	}
	return true
}

// as returns v as an M, if its type declares that itself and reflect lets go of it.
func as[M any](v reflect.Value) (m M, ok bool) {
	if !v.IsValid() || !v.CanInterface() || !declares[M](v.Type()) {
		return m, false
	}
	if v.CanAddr() {
		v = v.Addr()
	}
	m, ok = v.Interface().(M)
	return m, ok
}

// declares reports whether t, or a pointer to it, has the methods of M, and not from a
// field that it embeds beside others: such methods know nothing of those.
func declares[M any](t reflect.Type) bool {
	methods := reflect.TypeFor[M]()
	if !reflect.PointerTo(t).Implements(methods) {
		return false
	}
	if t.Kind() == reflect.Struct && t.NumField() > 1 {
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Anonymous && (f.Type.Implements(methods) || reflect.PointerTo(f.Type).Implements(methods)) {
				return false
			}
		}
	}
	return true
}
