package codec

import (
	"encoding/gob"
	"fmt"
	"math"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// bothWays encodes v and decodes it again, as a message where it fits into one, and as a block.
func bothWays[T any](t testing.TB, v T) (got []T) {
	p := argumentPlan[T](t)
	b, large, err := Encode(p, []byte("before"), &v, emptyRef)
	require.NoError(t, err)
	require.Equal(t, "before", string(b[:6]))
	if large == nil {
		require.LessOrEqual(t, len(b)-6, wire.MaxInline)
		into := new(T)
		require.NoError(t, Decode(p, b[6:], into, bindEmpty))
		got = append(got, *into)
		large, err = Measure(p, &v)
		require.NoError(t, err)
		require.EqualValues(t, len(b)-6, large.Bytes())
	}
	block := make([]byte, large.Bytes())
	for i := range block {
		block[i] = 0xA5 // what an arena has had before
	}
	require.NoError(t, large.Write(block, emptyRef))
	into := new(T)
	require.NoError(t, Decode(p, block, into, bindEmpty))
	return append(got, *into)
}

func sent[T any](t testing.TB, v T) T { return bothWays(t, v)[0] }

func arrives[T any](t testing.TB, v T) {
	t.Helper()
	for _, got := range bothWays(t, v) {
		require.Equal(t, v, got)
	}
}

type (
	basics struct {
		B    bool
		I8   int8
		I    int
		U16  uint16
		F    float32
		C    complex128
		S    string
		hide int64
	}
	tree struct {
		Left, Right *tree
		Value       int
		name        string
	}
	padded struct {
		A int8
		B int64
		C bool
		D [3]bool
		E int16
	}
	list    struct{ Next *list }
	nesting []nesting
)

func TestValuesArrive(t *testing.T) {
	all := basics{true, -1, 1 << 60, 65535, 1.5, 2 + 3i, "ü\xff\x00", -9}
	arrives(t, all)
	arrives(t, []basics{all, {}, all})
	arrives(t, map[string]basics{"a": all, "": {}})
	arrives(t, map[basics]*basics{all: &all, {}: nil})
	arrives(t, event{Name: "at no time"})
	arrives(t, &tree{&tree{nil, nil, 2, "l"}, &tree{nil, &tree{}, 3, "r"}, 1, "root"})
	arrives(t, [][]float64{{1, 2}, nil, {}, make([]float64, 1000)})
	arrives(t, [][][]string{{{"a", ""}, nil, {}}, nil, {}})
	arrives(t, []padded{{1, 2, true, [3]bool{false, true, true}, -4}, {}})
	arrives(t, [40]padded{3: {C: true}})
	arrives(t, [3][40][]int8{1: {2: {3}}})
	arrives(t, [][2]map[int]string{{{1: "a"}, nil}, {{}, {2: ""}}})
	arrives(t, []bool{true, false, true})
	arrives(t, []complex64{1 + 2i})
	arrives(t, [][0]int{{}, {}})
	arrives(t, []struct{}{{}, {}, {}})
	arrives(t, map[struct{}]struct{}{{}: {}})
	arrives(t, map[bool]struct{}{true: {}})
	arrives(t, [1000]int64{5: 6})
	arrives(t, [2000]bool{7: true})
	arrives(t, [1000]string{5: "6"})
	arrives(t, map[int]map[int64][]float64{1: {2: {3, 4}, 5: nil}, 6: nil, 7: {}, 8: {9: make([]float64, 600)}})
	arrives(t, map[string]struct {
		N string
		V []int32
	}{"a": {"bcd", []int32{1}}, "bb": {"c", nil}, "ccc": {"", []int32{2, 3, 4}}})
	zero, empty := 0, ""
	arrives(t, []any{1, "two", 3.5, nil, []string{"x"}})
	arrives(t, struct {
		Zero  *int
		Empty *string
		Nil   *int
		Deep  ***int
	}{&zero, &empty, nil, new(new(new(0)))})
	for _, s := range [][]string{nil, {}} {
		got := sent(t, struct {
			S []string
			F []float64
			M map[string]int
			N map[[2]string]int
		}{s, nil, nil, nil})
		require.Equal(t, s == nil, got.S == nil)
		require.True(t, got.F == nil && got.M == nil && got.N == nil)
	}
	got := sent(t, struct {
		F []float64
		M map[string]int
		N map[[2]string]int
	}{[]float64{}, map[string]int{}, map[[2]string]int{}})
	require.True(t, got.F != nil && got.M != nil && got.N != nil)
}

// Two pointers to one object arrive as two, and what arrives is the receiver's.
func TestAliases(t *testing.T) {
	n, s := 1, []float64{1, 2, 3}
	v := struct {
		A, B *int
		S, T []float64
	}{&n, &n, s, s[1:]}
	got := sent(t, v)
	*got.A, got.S[1] = 2, 9
	require.Equal(t, 1, *got.B)
	require.Equal(t, []float64{2, 3}, got.T)
	got.S = append(got.S, 1)
	require.Equal(t, []float64{1, 2, 3}, s)
}

func TestFloatBits(t *testing.T) {
	bits := []uint64{0x7ff8_0000_dead_beef, 0x7ff0_0000_0000_0001, 0xfff8_0000_0000_0000, 1 << 63, 1, 0x000f_ffff_ffff_ffff, 0x7ff0_0000_0000_0000}
	var v struct {
		S []float64
		P []*float64
		M map[float64]int
		C complex128
		I any
	}
	for _, b := range bits {
		f := math.Float64frombits(b)
		v.S, v.P = append(v.S, f), append(v.P, &f)
	}
	v.M = map[float64]int{math.NaN(): 1, math.Copysign(0, -1): 3}
	v.M[math.NaN()] = 2 // another key
	v.C, v.I = complex(v.S[0], v.S[3]), v.S[0]
	got := sent(t, v)
	for i, b := range bits {
		require.Equal(t, b, math.Float64bits(got.S[i]))
		require.Equal(t, b, math.Float64bits(*got.P[i]))
	}
	require.Len(t, got.M, 3)
	for k, n := range got.M {
		require.True(t, n == 3 && math.Signbit(k) || n < 3 && k != k)
	}
	require.Equal(t, []uint64{bits[0], bits[3], bits[0]}, []uint64{math.Float64bits(real(got.C)), math.Float64bits(imag(got.C)), math.Float64bits(got.I.(float64))})
}

func chain(n int) *list {
	var l *list
	for range n {
		l = &list{l}
	}
	return l
}

func nested(n int) nesting {
	var l nesting
	for range n {
		l = nesting{l}
	}
	return l
}

func TestDepth(t *testing.T) {
	arrives(t, chain(MaxDepth))
	arrives(t, nested(MaxDepth))
	_, _, err := Encode(argumentPlan[*list](t), nil, new(chain(MaxDepth+1)), nil)
	require.ErrorContains(t, err, "argument.Next.Next")
	require.ErrorContains(t, err, "more than 10000 pointers, slices and maps lead to it")
	require.Less(t, len(err.Error()), 300)
	_, _, err = Encode(argumentPlan[nesting](t), nil, new(nested(MaxDepth+1)), nil)
	require.ErrorContains(t, err, "argument[0][0]")
	ring := &list{}
	ring.Next = ring
	type m map[string]m
	cyclic := m{}
	cyclic["a"] = cyclic
	var holds any
	holds = []any{1, &holds}
	gob.Register([]any{})
	gob.Register(&list{})
	for _, err := range []error{
		encodeError(t, ring), encodeError(t, cyclic), encodeError(t, holds), encodeError[any](t, ring), encodeError[any](t, map[string]any{"a": ring}),
	} {
		require.ErrorContains(t, err, "does the value contain itself?")
	}
	// No bytes lead deeper either.
	deep := make([]byte, 1<<20)
	for i := range deep {
		deep[i] = 1
	}
	require.ErrorContains(t, Decode(argumentPlan[*list](t), deep, new(*list), nil), "more than 10000")
}

func encodeError[T any](t *testing.T, v T) error {
	_, large, err := Encode(argumentPlan[T](t), nil, &v, nil)
	require.Nil(t, large)
	return err
}

func TestSizes(t *testing.T) {
	many := make([]string, 1_000_000)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	require.True(t, slices.Equal(many, sent(t, many)))
	empty := make([]struct{}, maxEmptyElements+1)
	_, _, err := Encode(argumentPlan[[]struct{}](t), nil, &empty, nil)
	require.ErrorIs(t, err, ErrTooLarge)
}

// Slices of elements without pointers are aligned, relative to the block.
func TestAlignment(t *testing.T) {
	v := struct {
		S string
		A []int16
		B []float64
		T string
		C []byte
	}{"x", []int16{1, 2, 3}, []float64{4}, "yz", make([]byte, wideBytes)}
	v.C[0] = 0xEE
	large, err := Measure(argumentPlan[struct {
		S string
		A []int16
		B []float64
		T string
		C []byte
	}](t), &v)
	require.NoError(t, err)
	b := make([]byte, large.Bytes())
	require.NoError(t, large.Write(b, nil))
	require.EqualValues(t, 1, b[16])
	require.Equal(t, float64(4), math.Float64frombits(wireUint64(b[32:])))
	require.EqualValues(t, 0xEE, b[64])
	require.Len(t, b, 64+wideBytes)
}

func wireUint64(b []byte) (u uint64) {
	for i := range 8 {
		u |= uint64(b[i]) << (8 * i)
	}
	return u
}

// A value that changes between the two passes is an error.
func TestChangedMeanwhile(t *testing.T) {
	type in struct {
		S []string
		P *string
		V []own
	}
	p := argumentPlan[in](t)
	for name, change := range map[string]func(v *in){
		"longer":   func(v *in) { v.S[0] += "x" },
		"shorter":  func(v *in) { v.S[0] = "" },
		"nil":      func(v *in) { v.S[1], *v.P = "", "" },
		"other":    func(v *in) { v.V[0].How = "not asked again" },
		"stranger": func(v *in) { *v.P = strings.Repeat("z", 10000) },
	} {
		v := in{[]string{strings.Repeat("x", 5000), "y"}, new("z"), []own{{}}}
		_, large, err := Encode(p, nil, &v, nil)
		require.NoError(t, err)
		change(&v)
		block := make([]byte, large.Bytes()+1)
		err = large.Write(block[:large.Bytes()], nil)
		require.Zero(t, block[large.Bytes()])
		if name == "other" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, "changed")
		}
	}
}

type viewed struct {
	V  []shm.View[float64]
	P  *shm.View[int8]
	N  *scaled
	A  [2]scaled
	C  []columns
	CP *columns
}

// Arrays may be behind pointers and in slices. Their refs are made when all else is encoded.
func TestArraysWithin(t *testing.T) {
	p := argumentPlan[viewed](t)
	require.True(t, p.Arrays())
	v := viewed{V: make([]shm.View[float64], 2), P: new(shm.View[int8]), CP: &columns{name: "n", flags: make([]shm.View[bool], 1)}, C: make([]columns, 1)}
	var asked []string
	b, _, err := Encode(p, nil, &v, func(field string, b shm.Binder) (shm.WireRef, error) {
		asked = append(asked, field)
		return emptyRef(field, b)
	})
	require.NoError(t, err)
	want := []string{"viewed.V[0]", "viewed.V[1]", "viewed.P", "viewed.A[0].X", "viewed.A[1].X", "viewed.CP[0]"}
	require.Equal(t, want, asked)
	asked = nil
	got := new(viewed)
	require.NoError(t, Decode(p, b, got, func(field string, b shm.Binder, w shm.WireRef) error {
		asked = append(asked, field)
		return bindEmpty(field, b, w)
	}))
	require.Equal(t, want, asked)
	require.True(t, len(got.V) == 2 && got.P != nil && got.N == nil && got.CP.name == "n")
	v.C = append(v.C, columns{name: "Carry fails"})
	_, _, err = Encode(p, nil, &v, func(string, shm.Binder) (shm.WireRef, error) { panic("nothing is pinned before") })
	require.ErrorContains(t, err, "viewed.C[1]: not mine")
}

type everything struct {
	B  basics
	T  *tree
	P  []padded
	S  [][]string
	M  map[string]float64
	N  map[[2]bool][]int16
	E  map[int][]event
	V  []shm.View[bool]
	F  [20][]float64
	L  [][0]string
	N2 nesting
	O  *ownBinary
	C  columns
	G  []any
}

// FuzzDecodeDeep: whatever bytes come, decoding ends with a value or an error, and what it
// makes is in proportion to them.
func FuzzDecodeDeep(f *testing.F) {
	p := argumentPlan[everything](f)
	big := everything{T: &tree{}, P: make([]padded, 2), S: [][]string{{"a"}, nil}, M: map[string]float64{"a": 1, "b": 2}, N: map[[2]bool][]int16{{true}: {1}}, E: map[int][]event{1: {{}}}, V: make([]shm.View[bool], 1), L: make([][0]string, 3), N2: nested(3), O: &ownBinary{}, G: []any{1, &tree{Value: 2}, basics{}}}
	for _, v := range []everything{{}, big} {
		b, _, err := Encode(p, nil, &v, emptyRef)
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v := new(everything)
		if Decode(p, b, v, bindEmpty) != nil {
			return
		}
		_, _, err := Encode(p, nil, v, emptyRef)
		if err != nil {
			require.NotEmpty(t, v.C.name)
		}
	})
}

// Lengths that no bytes follow, and whose product with the size of an element is none, are malformed.
func TestDecodeSizesOverflow(t *testing.T) {
	type row struct{ A, B, C int64 }
	for _, length := range [][]byte{
		{0xfd, 0xff, 0xff, 0xff}, {0xfe, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0x80}, {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		{0xfe, 0xff, 0xff, 0xff, 0xab, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0x0a}, // 24 times this is 8
		{0xfe, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0x20},
	} {
		b := append(length, make([]byte, 64)...)
		require.ErrorIs(t, Decode(argumentPlan[[]row](t), b, new([]row), nil), wire.ErrMalformed)
		require.ErrorIs(t, Decode(argumentPlan[[]float64](t), b, new([]float64), nil), wire.ErrMalformed)
		require.ErrorIs(t, Decode(argumentPlan[[]string](t), b, new([]string), nil), wire.ErrMalformed)
		require.ErrorIs(t, Decode(argumentPlan[string](t), b, new(string), nil), wire.ErrMalformed)
		require.ErrorIs(t, Decode(argumentPlan[[]*row](t), b, new([]*row), nil), wire.ErrMalformed)
		require.ErrorIs(t, Decode(argumentPlan[map[int8]bool](t), b, new(map[int8]bool), nil), wire.ErrMalformed)
		require.ErrorIs(t, Decode(argumentPlan[[]own](t), b, new([]own), nil), wire.ErrMalformed)
		require.Error(t, Decode(argumentPlan[[]struct{}](t), b, new([]struct{}), nil))
	}
}

// Every prefix and every changed byte of an encoding is a value or an error.
func TestDecodeDamaged(t *testing.T) {
	p := argumentPlan[everything](t)
	v := everything{T: &tree{}, P: make([]padded, 2), S: [][]string{{"a"}, nil}, M: map[string]float64{"a": 1, "b": 2}, N: map[[2]bool][]int16{{true}: {1}}, E: map[int][]event{1: {{}}}, V: make([]shm.View[bool], 1), N2: nested(3), O: &ownBinary{}, G: []any{1, &tree{Value: 2}, basics{}}}
	b, _, err := Encode(p, nil, &v, emptyRef)
	require.NoError(t, err)
	for n := range b {
		require.Error(t, Decode(p, b[:n], new(everything), bindEmpty))
	}
	for i := range b {
		for _, c := range []byte{0, 1, 2, 0x7f, 0xfe, 0xff} {
			damaged := append([]byte(nil), b...)
			damaged[i] = c
			Decode(p, damaged, new(everything), bindEmpty)
		}
	}
	b, _, err = Encode(argumentPlan[[]string](t), nil, &[]string{"a", "a"}, nil)
	require.NoError(t, err)
	require.ErrorIs(t, Decode(argumentPlan[map[string]struct{}](t), b, new(map[string]struct{}), nil), wire.ErrMalformed, "a key that comes twice")
	require.ErrorIs(t, Decode(argumentPlan[map[fmt.Stringer]struct{}](t), b, new(map[fmt.Stringer]struct{}), nil), wire.ErrMalformed)
	flags := []padded{{C: true}}
	b, _, err = Encode(argumentPlan[[]padded](t), nil, &flags, nil)
	require.NoError(t, err)
	for i := range b[8:] {
		b[8+i] = 7
	}
	require.ErrorIs(t, Decode(argumentPlan[[]padded](t), b, new([]padded), nil), wire.ErrMalformed, "a bool of 7")
}

func TestOpaquePackages(t *testing.T) {
	require.False(t, standard()["quotes"])
	require.True(t, isOpaque(reflect.TypeFor[url.Userinfo]()))
	require.False(t, isOpaque(reflect.TypeFor[url.Error]()))
}
