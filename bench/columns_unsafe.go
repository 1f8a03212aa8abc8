package bench

import (
	"fmt"
	"reflect"
	"unsafe"

	"example.com/handoff/shm"
)

// A column is a part of a value that is a slice of numbers, or of such slices.
type column struct {
	name   string
	offset uintptr
	dtype  shm.DType
	many   bool // a slice of slices
}

// columnsOf are those of a slice of numbers or a struct of nothing but such slices, and
// slices of these; nil for other types.
func columnsOf(t reflect.Type) (columns []column) {
	if c, ok := columnOf(t); ok && !c.many {
		return []column{c}
	}
	if t.Kind() != reflect.Struct || marshals(t) {
		return nil
	}
	for i := range t.NumField() {
		f := t.Field(i)
		c, ok := columnOf(f.Type)
		if !ok {
			return nil
		}
		c.name, c.offset = f.Name, f.Offset
		columns = append(columns, c)
	}
	return columns
}

func columnOf(t reflect.Type) (c column, ok bool) {
	if t.Kind() != reflect.Slice || marshals(t) {
		return c, false
	}
	e := t.Elem()
	if e.Kind() == reflect.Slice && !marshals(e) {
		c.many, e = true, e.Elem()
	}
	c.dtype, ok = dtypeOf(e)
	return c, ok
}

// dtypeOf is the dtype of numbers of a type, whatever its name.
func dtypeOf(t reflect.Type) (shm.DType, bool) {
	if marshals(t) {
		return 0, false
	}
	k := t.Kind()
	switch { // of 8 bytes on all platforms that shm is for
	case k == reflect.Int && t.Size() == 8:
		k = reflect.Int64
	case k == reflect.Uint && t.Size() == 8:
		k = reflect.Uint64
	}
	d, err := shm.ParseDType(k.String())
	return d, err == nil
}

// A buffer is the memory of a slice in a value.
type buffer struct {
	name  string
	dtype shm.DType
	bytes []byte
	isNil bool
}

func (b buffer) len() int { return len(b.bytes) / int(b.dtype.Size()) }

// buffers are those of the value that v, a *T, points to.
func buffers(columns []column, v any) (all []buffer) {
	base := reflect.ValueOf(v).UnsafePointer()
	for _, c := range columns {
		of := func(h *header) {
			bytes := unsafe.Slice((*byte)(h.data), h.len*int(c.dtype.Size()))
			all = append(all, buffer{c.name, c.dtype, bytes, h.data == nil})
		}
		if !c.many {
			of((*header)(unsafe.Add(base, c.offset)))
			continue
		}
		for i, inner := 0, *(*[]header)(unsafe.Add(base, c.offset)); i < len(inner); i++ {
			of(&inner[i])
		}
	}
	return all
}

// lengths are how many slices each column has; −1 is a nil slice of slices.
func lengths(columns []column, v any) (counts []int) {
	base := reflect.ValueOf(v).UnsafePointer()
	for _, c := range columns {
		n := 1
		if h := (*header)(unsafe.Add(base, c.offset)); c.many && h.data == nil {
			n = -1
		} else if c.many {
			n = h.len
		}
		counts = append(counts, n)
	}
	return counts
}

// assembled makes a *T of slices over the parts, of which the columns have so many.
func assembled(t reflect.Type, columns []column, counts []int, parts []buffer) (v any, err error) {
	need := 0
	for _, n := range counts {
		need += max(0, n)
	}
	if len(counts) != len(columns) || need != len(parts) {
		return nil, fmt.Errorf("%d slices in %d columns, expected %d in %d", len(parts), len(counts), need, len(columns))
	}
	return assemble(t, columns, counts, parts), nil
}

func assemble(t reflect.Type, columns []column, counts []int, parts []buffer) (v any) {
	value := reflect.New(t)
	base := value.UnsafePointer()
	of := func(c column, h *header) {
		b := parts[0]
		parts = parts[1:]
		if !b.isNil {
			n := len(b.bytes) / int(c.dtype.Size())
			h.data, h.len, h.cap = unsafe.Pointer(unsafe.SliceData(b.bytes)), n, n
			if h.data == nil {
				h.data = unsafe.Pointer(&nothing)
			}
		}
	}
	for i, c := range columns {
		h := (*header)(unsafe.Add(base, c.offset))
		switch {
		case !c.many:
			of(c, h)
		case counts[i] >= 0:
			inner := make([]header, counts[i])
			h.data, h.len, h.cap = unsafe.Pointer(unsafe.SliceData(inner)), len(inner), len(inner)
			for k := range inner {
				of(c, &inner[k])
			}
		}
	}
	return value.Interface()
}

// nothing is where slices without elements that are not nil point.
var nothing [16]byte

// cast is b as elements.
func cast[E shm.Element](b []byte) []E {
	return unsafe.Slice((*E)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/int(shm.DTypeOf[E]().Size()))
}

// touchSlice is t.of for x, where T is a slice of E or of a type like it.
func touchSlice[E shm.Element](t *toucher, x []E, touch Touch) (uint64, error) {
	if touch == TouchFunc {
		return t.of(reflect.NewAt(t.typ, unsafe.Pointer(&x)).Interface(), touch)
	}
	w := walk{ends: touch == TouchEnds}
	h := (*t.visit)(unsafe.Pointer(&x), &w)
	return h, w.err
}

// rawBytes is the memory of the array that v, a pointer to a slice, points to: what a user
// of raw bytes would send.
func rawBytes(v any) []byte {
	x := reflect.ValueOf(v).Elem()
	return unsafe.Slice((*byte)(x.UnsafePointer()), x.Len()*int(x.Type().Elem().Size()))
}
