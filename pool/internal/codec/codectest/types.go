package codectest

import (
	"encoding/binary"
	"encoding/gob"
	"errors"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"time"
)

// What reflect cannot make: names, unexported fields, recursion and methods.
type (
	Celsius float64
	Label   string
	Flags   []bool
	Matrix  [3][2]float32

	Padded struct {
		A int8
		B int64
		C bool
		D int16
	}
	// Hidden has unexported fields, of which a copy has to take care too.
	Hidden struct {
		Name   string
		count  int32
		scores []float64
		inner  struct {
			on    bool
			notes []string
		}
		_ [3]byte
	}
	Embedding struct {
		Hidden
		*Padded
		At Celsius
	}
	Tree struct {
		Value    float32
		Children []Tree
		Names    map[string]*Tree
	}
	List struct {
		Item string
		next *List
	}
	Empty   struct{}
	Generic struct {
		Any   any
		Shape Shape
		After int
	}
	// Quotes is what users have: columns, and a map.
	Quotes struct {
		Bid, Ask, Volume []float64
		Symbols          []string
		Places           map[string]int64
		Rows             []Row
	}
	Row struct {
		ID   int64
		Text string
		Tags []string
		OK   []bool
	}
	Stamped struct {
		At    time.Time
		Of    []time.Time
		From  netip.Addr
		Total *big.Int
	}
	// Coded crosses by its gob methods, which keep one of its fields alone.
	Coded struct {
		kept    uint64
		scratch []byte
	}
	// Binary crosses by its binary methods, and is equal by its own.
	Binary struct {
		key   string
		cache *int
	}
	ByName struct {
		Codes  []Coded
		Binary Binary
		ByKey  map[Label]Binary
	}
	Shape  interface{ Area() float64 }
	Circle struct{ R float64 }
	Square struct{ Side int }
)

func (c Circle) Area() float64  { return 3 * c.R * c.R }
func (s *Square) Area() float64 { return float64(s.Side * s.Side) }

func (c Coded) GobEncode() ([]byte, error) { return binary.AppendUvarint(nil, c.kept), nil }

func (c *Coded) GobDecode(b []byte) error {
	n := 0
	if c.kept, n = binary.Uvarint(b); n != len(b) || n == 0 {
		return errors.New("not a Coded")
	}
	return nil
}

func (b Binary) MarshalBinary() ([]byte, error)     { return []byte(b.key), nil }
func (b *Binary) UnmarshalBinary(data []byte) error { b.key = string(data); return nil }
func (b Binary) Equal(other Binary) bool            { return b.key == other.key }

func init() { // gob wants to know what may be in an interface
	gob.Register(Circle{})
	gob.Register(&Square{})
}

var named = []reflect.Type{
	reflect.TypeFor[Celsius](), reflect.TypeFor[Label](), reflect.TypeFor[Flags](), reflect.TypeFor[Matrix](),
	reflect.TypeFor[Padded](), reflect.TypeFor[Hidden](), reflect.TypeFor[Embedding](), reflect.TypeFor[Tree](),
	reflect.TypeFor[List](), reflect.TypeFor[Empty](), reflect.TypeFor[Generic](), reflect.TypeFor[Quotes](),
	reflect.TypeFor[Row](), reflect.TypeFor[Stamped](), reflect.TypeFor[Coded](), reflect.TypeFor[Binary](),
	reflect.TypeFor[ByName](), reflect.TypeFor[time.Time](), reflect.TypeFor[netip.Addr](), reflect.TypeFor[big.Int](),
}

var basic = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](),
	reflect.TypeFor[int32](), reflect.TypeFor[int64](), reflect.TypeFor[uint](), reflect.TypeFor[uint8](),
	reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](), reflect.TypeFor[float32](),
	reflect.TypeFor[float64](), reflect.TypeFor[complex64](), reflect.TypeFor[complex128](), reflect.TypeFor[string](),
}

// Named are types that reflect cannot make: with unexported fields, recursive, with methods.
func Named() []reflect.Type { return named }

// Type is a random type, of at most so many levels.
func Type(r *rand.Rand, levels int) reflect.Type {
	if levels <= 0 {
		return basic[r.IntN(len(basic))]
	}
	switch r.IntN(10) {
	case 0:
		return basic[r.IntN(len(basic))]
	case 1, 2:
		return named[r.IntN(len(named))]
	case 3, 4:
		return reflect.SliceOf(Type(r, levels-1))
	case 5:
		return reflect.ArrayOf(r.IntN(5), Type(r, levels-1))
	case 6:
		return reflect.PointerTo(Type(r, levels-1))
	case 7:
		return reflect.MapOf(keyType(r), Type(r, levels-1))
	}
	fields := make([]reflect.StructField, r.IntN(6))
	for i := range fields {
		fields[i] = reflect.StructField{Name: string(rune('A' + i)), Type: Type(r, levels-1)}
	}
	return reflect.StructOf(fields)
}

func keyType(r *rand.Rand) reflect.Type {
	switch r.IntN(5) {
	case 0:
		return reflect.ArrayOf(r.IntN(3), basic[r.IntN(len(basic))])
	case 1:
		return reflect.TypeFor[Padded]()
	case 2:
		return reflect.TypeFor[Binary]()
	}
	return basic[r.IntN(len(basic))]
}
