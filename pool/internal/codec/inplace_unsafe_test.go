package codec

import (
	"bytes"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/codec/codectest"
	"example.com/handoff/pool/internal/wire"
)

// alignedBlock is memory as that of a block of an arena.
func alignedBlock(n int) []byte {
	b := make([]byte, n+alignWide)
	skip := int(-uintptr(unsafe.Pointer(&b[0])) & (alignWide - 1))
	return b[skip : skip+n : skip+n]
}

// encodedBlock is the encoding of any value.
func encodedBlock(t testing.TB, p *Plan, v reflect.Value) []byte {
	e := newEncoder(p)
	large, err := e.measure(v.Addr().UnsafePointer())
	require.NoError(t, err)
	e.free()
	b := alignedBlock(int(large.Bytes()))
	require.NoError(t, large.Write(b, nil))
	return b
}

// values is how many a property is tested with.
func values(few int) int {
	if os.Getenv("HANDOFF_SOAK") != "" {
		return 100_000
	}
	return few
}

// What is read in place equals what was written, each time, and reading changes nothing.
func TestInPlaceEquals(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 1))
	types := codectest.Named()
	for range 150 {
		types = append(types, codectest.Type(r, 4))
	}
	for i := range values(600) {
		typ := types[i%len(types)]
		p, err := SharedPlan(typ)
		require.NoError(t, err)
		v := (&codectest.Generator{Rand: r}).Value(typ)
		b := encodedBlock(t, p, v)
		before := bytes.Clone(b)
		for _, copies := range []bool{false, true} {
			m := Made{copyStrings: copies}
			for range 3 {
				got := reflect.New(typ)
				require.NoError(t, m.read(p, b, got.UnsafePointer()), typ)
				require.NoError(t, codectest.Same(v, got.Elem()), typ)
			}
			if whole := m.memo.Load().whole; whole != nil {
				require.NoError(t, codectest.Same(v, reflect.NewAt(typ, whole).Elem()), typ)
			}
			m.free()
		}
		require.Equal(t, before, b, typ)
	}
}

func readInPlace[T any](t testing.TB, m *Made, b []byte) *T {
	p, err := SharedPlan(reflect.TypeFor[T]())
	require.NoError(t, err)
	got := new(T)
	require.NoError(t, m.read(p, b, unsafe.Pointer(got)))
	return got
}

func within[E any](s []E, b []byte) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(s)))-uintptr(unsafe.Pointer(&b[0])) < uintptr(len(b))
}

// What has no pointers stays where it is, what has is made once, and maps each time.
func TestInPlaceIsInPlace(t *testing.T) {
	q := codectest.Quotes{
		Bid: make([]float64, 10_000), Symbols: []string{"a", "bc"}, Places: map[string]int64{"a": 1},
		Rows: []codectest.Row{{Tags: []string{"t"}, OK: []bool{true}}},
	}
	p, err := SharedPlan(reflect.TypeOf(q))
	require.NoError(t, err)
	b := encodedBlock(t, p, reflect.ValueOf(&q).Elem())
	var m Made
	defer m.free()
	one, two := readInPlace[codectest.Quotes](t, &m, b), readInPlace[codectest.Quotes](t, &m, b)
	require.True(t, within(one.Bid, b))
	require.Zero(t, uintptr(unsafe.Pointer(&one.Bid[0]))%alignWide)
	require.True(t, within(unsafe.Slice(unsafe.StringData(one.Symbols[1]), 2), b))
	require.True(t, within(one.Rows[0].OK, b))
	require.Same(t, &one.Symbols[0], &two.Symbols[0])
	require.Same(t, &one.Rows[0], &two.Rows[0])
	require.EqualValues(t, minSpine, m.bytes())
	one.Places["a"] = 2
	require.EqualValues(t, 1, two.Places["a"])

	copied := Made{copyStrings: true}
	defer copied.free()
	three := readInPlace[codectest.Quotes](t, &copied, b)
	require.False(t, within(unsafe.Slice(unsafe.StringData(three.Symbols[1]), 2), b))
	require.True(t, within(three.Bid, b))
}

// A Shared of what is no one block is refused, by its path.
func TestSharedPlanRefuses(t *testing.T) {
	type shared[T any] struct {
		_ [0]T
		_ Block
	}
	_, err := CompileArgument(reflect.TypeFor[struct{ S []shared[[]float64] }]())
	require.NoError(t, err)
	_, err = CompileResult(reflect.TypeFor[shared[string]]())
	require.NoError(t, err)
	for _, typ := range []reflect.Type{
		reflect.TypeFor[struct{ S shared[chan int] }](),
		reflect.TypeFor[struct{ S shared[shared[int]] }](),
		reflect.TypeFor[struct{ S map[int]shared[int] }](),
		reflect.TypeFor[struct{ S shared[columns] }](),
	} {
		_, err := CompileArgument(typ)
		require.ErrorContains(t, err, "S", typ)
	}
}

// A block that changes between two values is found out, or gives another value.
func TestInPlaceChanges(t *testing.T) {
	q := codectest.ByName{Codes: make([]codectest.Coded, 3), ByKey: map[codectest.Label]codectest.Binary{"a": {}}}
	p, err := SharedPlan(reflect.TypeOf(q))
	require.NoError(t, err)
	b := encodedBlock(t, p, reflect.ValueOf(&q).Elem())
	for i := range b {
		var m Made
		readInPlace[codectest.ByName](t, &m, b)
		b[i] ^= 0x41
		m.read(p, b, unsafe.Pointer(new(codectest.ByName)))
		b[i] ^= 0x41
		m.free()
	}
}

// Whatever bytes come, they are a value that can be used, or an error.
func FuzzInPlace(f *testing.F) {
	types := codectest.Named()
	r := rand.New(rand.NewPCG(5, 5))
	for i, typ := range types {
		p, err := SharedPlan(typ)
		require.NoError(f, err)
		f.Add(uint8(i), encodedBlock(f, p, (&codectest.Generator{Rand: r}).Value(typ)))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		typ := types[int(which)%len(types)]
		p, err := SharedPlan(typ)
		require.NoError(t, err)
		b := alignedBlock(len(data) + 1)[:len(data)]
		copy(b, data)
		var m Made
		defer m.free()
		got, again := reflect.New(typ), reflect.New(typ)
		if m.read(p, b, got.UnsafePointer()) != nil {
			return
		}
		require.LessOrEqual(t, m.bytes(), int64(minSpine*2+16*len(b)))
		require.NoError(t, m.read(p, b, again.UnsafePointer()))
		require.NoError(t, codectest.Same(got.Elem(), again.Elem())) // touches all of it
		require.Equal(t, data, b)
		if len(b) == 0 {
			return
		}
		require.ErrorIs(t, new(Made).read(p, b[:len(b)-1], reflect.New(typ).UnsafePointer()), wire.ErrMalformed)
	})
}
