package bench

import (
	"encoding"
	"encoding/gob"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"unsafe"

	"example.com/handoff/shm"
)

// mostDepth is how deep a value may be nested, as for what a pool hands over.
const mostDepth = 10_000

// A walk is one pass over a value.
type walk struct {
	ends  bool // TouchEnds, not TouchSum
	depth int
	err   error
}

// A visitor reads the value at p and returns its checksum. It is compiled once for a type:
// numbers, and whatever has no pointers, are read as bytes, so that NaNs are told apart.
type visitor func(p unsafe.Pointer, w *walk) uint64

// visitors are the compiled ones, by type. Interfaces bring new types later.
var visitors struct {
	mu sync.Mutex
	of map[reflect.Type]*visitor
}

// visitorOf compiles t's, whose place is path in errors.
func visitorOf(t reflect.Type, path string) (*visitor, error) {
	visitors.mu.Lock()
	defer visitors.mu.Unlock()
	if visitors.of == nil {
		visitors.of = map[reflect.Type]*visitor{}
	}
	c := compiler{}
	v, err := c.visitor(t, path)
	if err != nil {
		for _, t := range c.made { // they may refer to what failed
			delete(visitors.of, t)
		}
	}
	return v, err
}

// A compiler is one call of visitorOf.
type compiler struct{ made []reflect.Type }

func (c *compiler) visitor(t reflect.Type, path string) (*visitor, error) {
	if v, ok := visitors.of[t]; ok {
		return v, nil
	}
	v := new(visitor) // filled below: a type may contain itself
	visitors.of[t] = v
	c.made = append(c.made, t)
	made, err := c.compile(t, path)
	*v = made
	return v, err
}

// mostPath bounds the path in an error of a type that contains itself.
const mostPath = 200

func (c *compiler) compile(t reflect.Type, path string) (visitor, error) {
	switch {
	case isArray(t):
		return nil, fmt.Errorf("%s: a %v is in shared memory already: make the payload of plain values", path, t)
	case marshals(t):
		return marshalled(t), nil
	case dense(t):
		return bulk(t.Size()), nil
	}
	inner := func(t reflect.Type, step string) (*visitor, error) {
		if len(path) > mostPath {
			return c.visitor(t, path)
		}
		return c.visitor(t, path+step)
	}
	switch t.Kind() {
	case reflect.String:
		return text, nil
	case reflect.Pointer:
		elem, err := inner(t.Elem(), "")
		return pointer(elem), err
	case reflect.Slice:
		if dense(t.Elem()) {
			return denseSlice(t.Elem().Size()), nil
		}
		elem, err := inner(t.Elem(), "[]")
		return slice(elem, t.Elem().Size()), err
	case reflect.Array:
		elem, err := inner(t.Elem(), "[]")
		return elementsOf(elem, t.Len(), t.Elem().Size()), err
	case reflect.Map:
		key, err := inner(t.Key(), "[key]")
		if err != nil {
			return nil, err
		}
		elem, err := inner(t.Elem(), "[]")
		return mapping(t, key, elem), err
	case reflect.Interface:
		return boxed(t, path), nil
	case reflect.Struct:
		var fields []field
		for i := range t.NumField() {
			f := t.Field(i)
			v, err := inner(f.Type, "."+f.Name)
			if err != nil {
				return nil, err
			}
			if f.Name != "_" {
				fields = append(fields, field{f.Offset, v})
			}
		}
		return structure(fields), nil
	}
	return nil, fmt.Errorf("%s: a value of type %v cannot cross to another process", path, t)
}

var (
	binder    = reflect.TypeFor[shm.Binder]()
	carried   = reflect.TypeFor[shm.Carrier]()
	gobber    = reflect.TypeFor[gob.GobEncoder]()
	binaryOut = reflect.TypeFor[encoding.BinaryMarshaler]()
)

func isArray(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t.Kind() == reflect.Struct && (p.Implements(binder) || p.Implements(carried))
}

func marshals(t reflect.Type) bool {
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer {
		return false
	}
	p := reflect.PointerTo(t)
	return p.Implements(gobber) || p.Implements(binaryOut)
}

// dense reports whether a t is nothing but the bytes of numbers and bools.
func dense(t reflect.Type) bool {
	if isArray(t) || marshals(t) {
		return false
	}
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return true
	case reflect.Array:
		return dense(t.Elem())
	case reflect.Struct:
		end := uintptr(0)
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Name == "_" || f.Offset != end || !dense(f.Type) {
				return false
			}
			end += f.Type.Size()
		}
		return end == t.Size()
	}
	return false
}

func bulk(size uintptr) visitor {
	return func(p unsafe.Pointer, _ *walk) uint64 { return checksum(unsafe.Slice((*byte)(p), size)) }
}

func text(p unsafe.Pointer, w *walk) uint64 {
	s := *(*string)(p)
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	if w.ends && len(b) > 0 {
		return uint64(len(b))*spread + uint64(b[0])<<8 + uint64(b[len(b)-1])
	}
	return checksum(b)
}

// A header is a slice's.
type header struct {
	data     unsafe.Pointer
	len, cap int
}

// sized is the checksum to begin with: nil is told from empty.
func (h *header) sized() uint64 {
	if h.data == nil {
		return 1
	}
	return uint64(h.len)*spread + 2
}

func denseSlice(size uintptr) visitor {
	return func(p unsafe.Pointer, w *walk) uint64 {
		s := (*header)(p)
		h := s.sized()
		if s.len == 0 || size == 0 {
			return h
		}
		if w.ends {
			last := unsafe.Add(s.data, uintptr(s.len-1)*size)
			return h + checksum(unsafe.Slice((*byte)(s.data), size))*spread + checksum(unsafe.Slice((*byte)(last), size))
		}
		return h + checksum(unsafe.Slice((*byte)(s.data), uintptr(s.len)*size))
	}
}

func slice(elem *visitor, size uintptr) visitor {
	return func(p unsafe.Pointer, w *walk) uint64 {
		s := (*header)(p)
		return elements(s.sized(), s.data, s.len, elem, size, w)
	}
}

func elementsOf(elem *visitor, n int, size uintptr) visitor {
	return func(p unsafe.Pointer, w *walk) uint64 { return elements(0, p, n, elem, size, w) }
}

func elements(h uint64, data unsafe.Pointer, n int, elem *visitor, size uintptr, w *walk) uint64 {
	if !w.down() {
		return 0
	}
	defer w.up()
	step := 1
	if w.ends && n > 2 {
		step = n - 1
	}
	for i := 0; i < n; i += step {
		h = h*spread + (*elem)(unsafe.Add(data, uintptr(i)*size), w)
	}
	return h
}

// down reports whether the walk may go deeper.
func (w *walk) down() bool {
	if w.depth++; w.depth > mostDepth && w.err == nil {
		w.err = fmt.Errorf("the value is nested deeper than %d, or contains itself", mostDepth)
	}
	return w.err == nil
}

func (w *walk) up() { w.depth-- }

func pointer(elem *visitor) visitor {
	return func(p unsafe.Pointer, w *walk) uint64 {
		p = *(*unsafe.Pointer)(p)
		if p == nil || !w.down() {
			return 0
		}
		defer w.up()
		return 1 + stir((*elem)(p, w))
	}
}

type field struct {
	offset uintptr
	visit  *visitor
}

func structure(fields []field) visitor {
	return func(p unsafe.Pointer, w *walk) (h uint64) {
		for _, f := range fields {
			h = h*spread + (*f.visit)(unsafe.Add(p, f.offset), w)
		}
		return h
	}
}

// mapping adds its entries up: they have no order. TouchEnds has none to read.
func mapping(t reflect.Type, key, elem *visitor) visitor {
	return func(p unsafe.Pointer, w *walk) uint64 {
		m := reflect.NewAt(t, p).Elem()
		if m.IsNil() || !w.down() {
			return 1
		}
		defer w.up()
		h := uint64(m.Len())*spread + 2
		if w.ends {
			return h
		}
		k, e := reflect.New(t.Key()), reflect.New(t.Elem())
		for it := m.MapRange(); it.Next(); {
			k.Elem().SetIterKey(it)
			e.Elem().SetIterValue(it)
			h += stir((*key)(k.UnsafePointer(), w)*spread + (*elem)(e.UnsafePointer(), w))
		}
		return h
	}
}

// boxed is an interface: its dynamic type counts, too.
func boxed(t reflect.Type, path string) visitor {
	return func(p unsafe.Pointer, w *walk) uint64 {
		v := reflect.NewAt(t, p).Elem()
		if v.IsNil() || !w.down() {
			return 0
		}
		defer w.up()
		v = v.Elem()
		visit, err := visitorOf(v.Type(), path)
		if err != nil {
			w.err = err
			return 0
		}
		c := reflect.New(v.Type())
		c.Elem().Set(v)
		name := checksum([]byte(v.Type().String()))
		return stir(name + (*visit)(c.UnsafePointer(), w)*spread)
	}
}

// marshalled is the checksum of what the value's own method makes of it.
func marshalled(t reflect.Type) visitor {
	return func(p unsafe.Pointer, w *walk) uint64 {
		b, err := []byte(nil), error(nil)
		switch m := reflect.NewAt(t, p).Interface().(type) {
		case gob.GobEncoder:
			b, err = m.GobEncode()
		case encoding.BinaryMarshaler:
			b, err = m.MarshalBinary()
		}
		if err != nil && w.err == nil {
			w.err = fmt.Errorf("%v: %w", t, err)
		}
		return checksum(b)
	}
}

// short is a type's name in messages, of any length.
func short(t reflect.Type) string {
	const most = 80
	s := strings.ReplaceAll(t.String(), "interface {}", "any")
	if len(s) > most {
		s = s[:most] + "…"
	}
	return s
}
