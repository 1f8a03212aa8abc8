package pool

import (
	"reflect"

	"example.com/handoff/shm"
)

// A Sizer is an item that says how many bytes it takes. The pipeline asks it once, when
// the item has come out of a stage. Of other items it counts the value itself, strings,
// slices, and the arrays of Views and Carriers, in arrays, structs and slices, and behind a
// pointer that is the item; what is behind other pointers, maps and interfaces
// is not counted. A Sizer among them is asked, also one that a struct embeds beside other
// fields: its method is not the struct's.
type Sizer interface {
	// SizeBytes is how many bytes the item keeps in memory, 0 or more.
	SizeBytes() int64
}

// A sizer says what an item takes in the heap, and in arrays.
type sizer[T any] func(v *T) (heap, arrays int64)

// largestItem is the most that an item is charged with, 256 TiB: sums of them do not
// overflow.
const largestItem = 1 << 48

// charge is what an item is charged with that holds so many bytes of arrays: those in it
// are these, as a rule.
func charge(heap, arrays, held int64) int64 {
	return min(min(heap, largestItem)+min(max(arrays, held), largestItem), largestItem)
}

func newSizer[T any]() sizer[T] {
	t := reflect.TypeFor[T]()
	declared := func(s Sizer) (heap, arrays int64) { return 0, max(s.SizeBytes(), 0) }
	switch {
	case t.Kind() == reflect.Interface:
		return func(v *T) (heap, arrays int64) {
			if s, ok := any(*v).(Sizer); ok && sizes(reflect.TypeOf(s)) {
				return declared(s)
			}
			return walk(reflect.ValueOf(v).Elem())
		}
	case sizes(t) && t.Kind() == reflect.Pointer:
		return func(v *T) (heap, arrays int64) { return declared(any(*v).(Sizer)) }
	case sizes(t):
		return func(v *T) (heap, arrays int64) { return declared(any(v).(Sizer)) }
	case t.Kind() == reflect.Pointer:
		return func(v *T) (heap, arrays int64) {
			if e := reflect.ValueOf(v).Elem(); !e.IsNil() {
				heap, arrays = walk(e.Elem())
			}
			return heap + int64(t.Size()), arrays
		}
	}
	if c, err := compile(t, true); err == nil && !hasSizer(t) { // what a task can have: without reflection
		return func(v *T) (heap, arrays int64) {
			heap, arrays = bytesOf(c, v)
			return heap + int64(t.Size()), arrays
		}
	}
	return func(v *T) (heap, arrays int64) { return walk(reflect.ValueOf(v).Elem()) }
}

// sizes reports whether an item of type t says what it takes.
func sizes(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return sizerMethods.own(t)
}

// hasSizer reports whether a t, or one of its fields or elements, is a Sizer.
func hasSizer(t reflect.Type) bool {
	if sizerMethods.own(t) {
		return true
	}
	switch t.Kind() {
	case reflect.Array:
		return hasSizer(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if hasSizer(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}

// walk is what v takes, itself included.
func walk(v reflect.Value) (heap, arrays int64) {
	heap, arrays = behind(v)
	return heap + int64(v.Type().Size()), arrays
}

// behind is what v refers to.
func behind(v reflect.Value) (heap, arrays int64) {
	t := v.Type()
	if s, ok := sizerOf(v); ok {
		return 0, min(max(s.SizeBytes()-int64(t.Size()), 0), largestItem)
	}
	if b, ok := binderOf(v); ok {
		ref := b.Ref()
		return 0, ref.Bytes()
	}
	switch t.Kind() {
	case reflect.String:
		return int64(v.Len()), 0
	case reflect.Slice:
		heap = int64(v.Cap()) * int64(t.Elem().Size())
	case reflect.Array:
	case reflect.Struct:
		for i := range v.NumField() {
			h, a := behind(v.Field(i))
			heap, arrays = heap+h, arrays+a
		}
		return heap, arrays
	default:
		return 0, 0
	}
	if plain(t.Elem()) && !hasSizer(t.Elem()) {
		return heap, 0
	}
	for i := range v.Len() {
		h, a := behind(v.Index(i))
		heap, arrays = heap+h, arrays+a
	}
	return heap, arrays
}

func binderOf(v reflect.Value) (b interface{ Ref() shm.Ref }, ok bool) {
	if v.Kind() != reflect.Struct || !v.CanInterface() || !isArray(v.Type()) {
		return nil, false
	}
	b, ok = v.Interface().(interface{ Ref() shm.Ref })
	return b, ok
}
