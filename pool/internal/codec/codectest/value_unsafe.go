package codectest

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"time"
	"unsafe"
)

// A Generator makes values.
type Generator struct {
	Rand *rand.Rand
	// Elements bounds slices and maps; 0 means 8. One in 32 slices of elements without
	// pointers has up to 100 times as many.
	Elements int

	objects map[reflect.Type][]reflect.Value // pointers that were made
}

// Value is a random value of type t, addressable.
func (g *Generator) Value(t reflect.Type) reflect.Value {
	g.objects = map[reflect.Type][]reflect.Value{}
	v := reflect.New(t).Elem()
	g.fill(v, 0)
	return v
}

// deepest bounds values of recursive types.
const deepest = 8

func (g *Generator) fill(v reflect.Value, depth int) {
	r := g.Rand
	if r.IntN(16) == 0 && depth > 0 {
		return // zero
	}
	if v = Writable(v); g.special(v) {
		return
	}
	switch t := v.Type(); t.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.String:
		v.SetString(g.text())
	case reflect.Float32:
		raw(v, 4, g.float32())
	case reflect.Complex64:
		raw(v, 4, g.float32(), g.float32())
	case reflect.Float64:
		raw(v, 8, g.float64())
	case reflect.Complex128:
		raw(v, 8, g.float64(), g.float64())
	case reflect.Struct:
		for i := range t.NumField() {
			if f := v.Field(i); t.Field(i).Name != "_" {
				g.fill(f, depth+1)
			}
		}
	case reflect.Array:
		for i := range t.Len() {
			g.fill(v.Index(i), depth+1)
		}
	case reflect.Slice:
		g.slice(v, depth)
	case reflect.Pointer:
		g.pointer(v, depth)
	case reflect.Map:
		if depth > deepest {
			return
		}
		n := g.count()
		v.Set(reflect.MakeMapWithSize(t, n))
		for range n {
			key, elem := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
			g.fill(key, depth+1)
			g.fill(elem, depth+1)
			v.SetMapIndex(key, elem)
		}
	case reflect.Interface:
		g.any(v)
	default: // the integers
		raw(v, int(t.Size()), r.Uint64()>>r.IntN(64))
	}
}

func (g *Generator) count() int {
	most := g.Elements
	if most == 0 {
		most = 8
	}
	return g.Rand.IntN(most + 1)
}

func (g *Generator) slice(v reflect.Value, depth int) {
	n, t := g.count(), v.Type()
	switch kind := t.Elem().Kind(); {
	case depth > deepest:
		return
	case (kind == reflect.Struct || kind == reflect.Slice || kind == reflect.Map) && depth > 3:
		n = min(n, 2)
	case kind < reflect.Array && kind != reflect.Invalid && g.Rand.IntN(32) == 0:
		n *= 100
	}
	v.Set(reflect.MakeSlice(t, n, n+g.Rand.IntN(3)))
	for i := range n {
		g.fill(v.Index(i), depth+1)
	}
}

// pointer makes v point to a new value, or to one that another pointer has.
func (g *Generator) pointer(v reflect.Value, depth int) {
	if depth > deepest {
		return
	}
	t := v.Type()
	if known := g.objects[t]; len(known) > 0 && g.Rand.IntN(4) == 0 {
		v.Set(known[g.Rand.IntN(len(known))])
		return
	}
	to := reflect.New(t.Elem())
	g.fill(to.Elem(), depth+1)
	v.Set(to.Convert(t))
	g.objects[t] = append(g.objects[t], to) // when it is complete: there are no cycles
}

// any puts into an interface what gob keeps.
func (g *Generator) any(v reflect.Value) {
	candidates := []any{Circle{1 + g.Rand.Float64()}, &Square{1 + g.Rand.IntN(9)}, 1 + g.Rand.IntN(9), "text", 2.5}
	x := reflect.ValueOf(candidates[g.Rand.IntN(len(candidates))])
	if x.Type().AssignableTo(v.Type()) {
		v.Set(x)
	}
}

// special fills values whose fields are not anybody's to fill.
func (g *Generator) special(v reflect.Value) bool {
	r := g.Rand
	switch at := v.Addr().Interface().(type) {
	case *time.Time:
		*at = time.Unix(r.Int64N(1<<34), r.Int64N(1e9))
		if r.IntN(2) == 0 {
			*at = at.In(time.FixedZone("", 15*60*(r.IntN(80)-40)))
		}
	case *netip.Addr:
		b := make([]byte, 4+12*r.IntN(2))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		*at, _ = netip.AddrFromSlice(b)
	case *big.Int:
		at.Lsh(big.NewInt(r.Int64()-1<<62), uint(r.IntN(200)))
	case *Coded:
		at.kept = r.Uint64()
	case *Binary:
		at.key = g.text()
	default:
		return false
	}
	return true
}

// text is any bytes: UTF-8 or not.
func (g *Generator) text() string {
	b := make([]byte, g.Rand.IntN(12))
	if g.Rand.IntN(64) == 0 {
		b = make([]byte, g.Rand.IntN(9000))
	}
	ascii := g.Rand.IntN(2) == 0
	for i := range b {
		if b[i] = byte(g.Rand.Uint32()); ascii {
			b[i] = 'a' + b[i]%26
		}
	}
	return string(b)
}

func (g *Generator) float64() uint64 {
	switch g.Rand.IntN(6) {
	case 0:
		return 0x7ff<<52 | g.Rand.Uint64() // NaN, of either sign and kind
	case 1:
		return 1 << 63 // −0
	case 2:
		return g.Rand.Uint64() & (1<<52 - 1) // denormal
	case 3:
		return math.Float64bits(math.Inf(1 - 2*g.Rand.IntN(2)))
	}
	return math.Float64bits(g.Rand.NormFloat64())
}

func (g *Generator) float32() uint64 {
	switch g.Rand.IntN(5) {
	case 0:
		return uint64(0xff<<23 | g.Rand.Uint32())
	case 1:
		return 1 << 31
	case 2:
		return uint64(g.Rand.Uint32() & (1<<23 - 1))
	}
	return uint64(math.Float32bits(float32(g.Rand.NormFloat64())))
}

// raw writes numbers of so many bytes each: to convert a NaN could change it.
func raw(v reflect.Value, size int, numbers ...uint64) {
	mem := unsafe.Slice((*byte)(v.Addr().UnsafePointer()), size*len(numbers))
	for i, n := range numbers {
		var b [8]byte
		binary.NativeEndian.PutUint64(b[:], n)
		if littleEndian {
			copy(mem[i*size:(i+1)*size], b[:size])
		} else {
			copy(mem[i*size:(i+1)*size], b[8-size:])
		}
	}
}

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// Writable is an addressable value without the mark of an unexported field.
func Writable(v reflect.Value) reflect.Value {
	return reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem()
}
