package codec

import (
	"bytes"
	"encoding/gob"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/wire"
)

type (
	gobText string
	gobRow  struct {
		Any    any
		Rows   []gobRow
		ByName map[string]gobRow
		Next   *gobRow
		Key    map[any]any
		Stamp  time.Time
	}
	gobKinds struct {
		B  bool
		I  int16
		U  []uint32
		F  [3]float32
		C  []complex64
		D  []byte
		E  [4]byte
		S  []string
		T  gobText
		M  map[[2]int]struct{ A, B int }
		N  *int
		P  **string
		A  netip.Addr
		G  []*big.Int
		AA [2]any
		X  struct{ Y struct{ Z int } }
	}
	gobTree struct{ Next *gobTree }
	gobNest []gobNest
	gobMaps map[string]gobMaps
)

func (t gobText) MarshalText() ([]byte, error)  { return []byte(t), nil }
func (t *gobText) UnmarshalText(b []byte) error { *t = gobText(b); return nil }

func init() {
	for _, v := range []any{
		gobRow{}, &gobKinds{}, &gobTree{}, gobNest{}, gobMaps{}, []any{}, map[string]any{}, map[any]any{}, time.Time{}, &big.Int{},
		gobText(""), []gobText{}, [3]int8{}, struct{ A any }{}, []gobKinds{}, &list{}, nesting{}, basics{}, &tree{},
	} {
		gob.Register(v)
	}
}

func gobOf(t testing.TB, v any) []byte {
	var b bytes.Buffer
	require.NoError(t, gob.NewEncoder(&b).Encode(&v))
	return b.Bytes()
}

func gobValues() []any {
	one, text := 1, new(string)
	*text = "text"
	kinds := gobKinds{true, -300, []uint32{0, 1 << 31}, [3]float32{1, 0, -2.5}, []complex64{1, 2i}, []byte("bytes"), [4]byte{1, 200}, []string{"", "a"}, "t",
		map[[2]int]struct{ A, B int }{{1, 2}: {0, 3}, {}: {}}, &one, &text, netip.MustParseAddr("::1"), []*big.Int{big.NewInt(1 << 60)}, [2]any{1, nil}, struct{ Y struct{ Z int } }{}}
	row := gobRow{Any: kinds.C, Rows: []gobRow{{}, {Any: []any{1, "x", nil, &kinds, gobText("y")}}}, ByName: map[string]gobRow{"": {}, "a": {Any: 1.5}}}
	row.Next, row.Key, row.Stamp = &gobRow{Any: gobRow{Any: [3]int8{1}}}, map[any]any{"k": 1, 2: &kinds, 3.5: []any{row}}, time.Unix(1, 2)
	row.Any = nil
	return []any{
		1, uint8(200), "text", 2.5, 1i, true, []byte("x"), []int{}, []string{"a"}, [3]int8{1, 2, 3}, time.Unix(5, 6), big.NewInt(-7), gobText("z"), []gobText{"a", ""},
		kinds, &kinds, row, []any{}, []any{nil, row, kinds, row}, map[string]any{"a": map[string]any{"b": []any{row, 1}}, "c": row}, map[any]any{1: "a", "b": kinds},
		[]gobKinds{kinds, {}}, struct{ A any }{struct{ A any }{row}}, gobTree{}, &gobTree{&gobTree{}}, gobNest{{}, {{}, {}}}, gobMaps{"a": nil, "b": {"c": {}}},
	}
}

func boundError(b []byte) error {
	_, err := boundGob(b)
	return err
}

// What package gob writes is accepted, and decoded as it was, and no part of it is.
func TestBoundGob(t *testing.T) {
	for _, v := range gobValues() {
		b := gobOf(t, v)
		bounded, err := boundGob(b)
		require.NoError(t, err, "%T % x", v, b)
		var want, got any
		require.NoError(t, gob.NewDecoder(bytes.NewReader(b)).Decode(&want))
		require.NoError(t, gob.NewDecoder(bytes.NewReader(bounded)).Decode(&got), "%T", v)
		require.Equal(t, want, got)
		for n := range b {
			require.Error(t, boundError(b[:n]), "%T", v)
		}
		require.Error(t, boundError(append(b, 0)))
	}
}

// What leads as deep as a value may go by value is accepted, and decoded.
func TestGobDepth(t *testing.T) {
	var deep any = "text"
	for range 1000 {
		deep = []any{deep}
	}
	for _, v := range []any{deep, chain(MaxDepth - 1), nested(MaxDepth - 1)} {
		require.NoError(t, boundError(gobOf(t, v)))
	}
	arrives[any](t, deep)
	arrives[any](t, chain(1000))
	_, _, err := Encode(argumentPlan[any](t), nil, new(any(nested(MaxDepth+1))), nil)
	require.ErrorContains(t, err, "more than 10000")
}

// deepGobs are streams that package gob follows until the stack ends, which ends the
// process, or until there is no memory.
func deepGobs() map[string][]byte {
	const levels = 2_000_000
	chain := message(gobDefinitionOf(&gobTree{}, "*codec.gobTree"), strings.Repeat("\x01", levels)+strings.Repeat("\x00", levels+1))
	nest := message(gobDefinitionOf(gobNest{}, "codec.gobNest"), "\x00"+strings.Repeat("\x01", levels)+"\x00")
	return map[string][]byte{
		"structs": chain,
		"slices":  nest,
		"a map":   message(gobDefinitionOf(gobMaps{}, "codec.gobMaps"), "\x00\xfb\x3f\xff\xff\xff\xff"),
	}
}

// gobDefinitionOf is the stream of a value, up to the number of its bytes.
func gobDefinitionOf(v any, name string) []byte {
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(&v); err != nil {
		panic(err)
	}
	first := int(b.Bytes()[0]) + 1 // the message with the definition
	id := b.Bytes()[first+1 : first+3]
	if !bytes.Contains(b.Bytes(), []byte(name)) {
		panic(name)
	}
	return append(b.Bytes()[:first:first], id...)
}

// message is a stream with another value than that which its definition was made for.
func message(definition []byte, value string) []byte {
	n := len(definition)
	id := definition[n-2:]
	size := func(n int) []byte { return []byte{0xfc, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)} }
	body := append(append(bytes.Clone(id), size(len(value))...), value...)
	return append(append(bytes.Clone(definition[:n-2]), size(len(body))...), body...)
}

// Package gob is not asked to decode what would end the process.
func TestHostileGob(t *testing.T) {
	p := argumentPlan[any](t)
	for how, stream := range deepGobs() {
		b := append([]byte{1, byte(len(stream)), byte(len(stream) >> 8), byte(len(stream) >> 16), byte(len(stream) >> 24)}, stream...)
		err := Decode(p, b, new(any), nil)
		require.ErrorIs(t, err, ErrNotReceived, how)
		if how == "a map" {
			require.ErrorIs(t, err, wire.ErrMalformed)
		} else {
			require.ErrorContains(t, err, "more than 40000 structs")
		}
	}
}

// A field that the type doesn't have is not passed over: what follows would be read as the
// stream says, and not as it was looked at.
func TestGobUnknownField(t *testing.T) {
	b := gobOf(t, gobRow{Any: []any{gobText("x"), 7}})
	bounded, err := boundGob(bytes.Replace(b, []byte("\x03Any\x01"), []byte("\x03Ano\x01"), 1))
	require.NoError(t, err)
	var v any
	require.Error(t, gob.NewDecoder(bytes.NewReader(bounded)).Decode(&v))
}

// Whatever stream is accepted, package gob ends with a value or an error.
func FuzzBoundGob(f *testing.F) {
	for _, v := range gobValues() {
		f.Add(gobOf(f, v))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if bounded, err := boundGob(b); err == nil {
			var v any
			gob.NewDecoder(bytes.NewReader(bounded)).Decode(&v)
		}
	})
}
