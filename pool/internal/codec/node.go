package codec

import (
	"reflect"

	"example.com/handoff/shm"
)

// A node says how values of one type are encoded: by its ops, in the order of memory.
type node struct {
	typ      reflect.Type
	ops      []op
	minBytes int  // the fewest bytes of an encoded value; 0 only if it has none in memory
	fixed    bool // all encoded values have minBytes
	bools    bool // of a type without pointers: there are bools
}

// finish is called when all ops are known.
func (n *node) finish() {
	n.minBytes, n.fixed, n.bools = 0, true, false
	for i := range n.ops {
		o := &n.ops[i]
		n.minBytes += o.minBytes()
		switch o.kind {
		case opBytes:
		case opBools:
			n.bools = true
		case opLoop:
			o.elem.finish()
			n.fixed = n.fixed && o.elem.fixed
			n.bools = n.bools || o.elem.bools
		default:
			n.fixed = false
		}
	}
}

// reaches reports whether an op of n, or of a node that one of them leads to, is of a kind.
func (n *node) reaches(kind func(*op) bool) bool {
	seen := map[*node]bool{}
	var reaches func(n *node) bool
	reaches = func(n *node) bool {
		if n == nil || seen[n] {
			return false
		}
		seen[n] = true
		for i := range n.ops {
			if o := &n.ops[i]; kind(o) || reaches(o.key) || reaches(o.elem) {
				return true
			}
		}
		return false
	}
	return reaches(n)
}

// An op is a field, or several that are next to each other.
type op struct {
	kind  opKind
	off   uintptr // of the field within the value
	size  uintptr // of opBytes and opBools, in bytes; of an element of opLoop and of a slice
	n     int     // elements of opLoop
	typ   reflect.Type
	key   *node // of a map
	elem  *node // of what an array, a slice, a pointer or a map has
	field string

	array  arrayAt     // of an opArray
	shared *Plan       // of an opArray that is a Block
	once   bool        // it is made once of a Block: see markOnce
	method *marshaller // of an opMarshal
	of     *mapOf      // of an opMap
}

type opKind uint8

const (
	opBytes     opKind = iota
	opBools            // size bytes, each 0 or 1
	opString           // and
	opArray            // as these two, in a plan that is flat
	opCarrier          // a shm.Carrier
	opLoop             // an array, by its elements
	opSliceMem         // a slice of elements without pointers, as they are in memory
	opStrings          // a slice of strings
	opSlice            // any other slice
	opPointer          //
	opMap              //
	opMarshal          // a type with methods for this
	opInterface        //
)

const (
	lengthBytes    = 4 // of a string, slice, or map that is not huge
	dimensionBytes = 8
	refBytes       = 24 // of a shm.WireRef without dimensions
)

func (o *op) minBytes() int {
	switch o.kind {
	case opBytes, opBools:
		return int(o.size)
	case opLoop:
		return o.n * leastOf(o.elem)
	case opPointer, opInterface:
		return 1
	case opCarrier:
		return carrierBytes
	case opArray:
		return refBytes
	}
	return lengthBytes
}

// leastOf is n.minBytes, also before n is finished. It ends: a type contains itself only by
// way of pointers, slices, maps and interfaces.
func leastOf(n *node) (least int) {
	for i := range n.ops {
		least += n.ops[i].minBytes()
	}
	return least
}

// pointerFree reports whether a value of type t is its bytes: numbers, bools, and arrays
// and structs of them.
func pointerFree(t reflect.Type) bool {
	if isCarrier(t) || marshallerOf(t) != nil {
		return false
	}
	switch t.Kind() {
	case reflect.Bool,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return true
	case reflect.Array:
		return pointerFree(t.Elem())
	case reflect.Struct:
		if isOpaque(t) {
			return false
		}
		for i := range t.NumField() {
			if !pointerFree(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}

// plain reports whether every bit pattern of t's bytes is a value of t: numbers
// and their arrays and structs without padding.
func plain(t reflect.Type) bool {
	if !pointerFree(t) {
		return false
	}
	switch t.Kind() {
	case reflect.Bool:
		return false
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
	return true
}

var binderType = reflect.TypeFor[shm.Binder]()
