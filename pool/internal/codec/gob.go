package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"example.com/handoff/pool/internal/wire"
)

// maxGobDepth is how deep a gob stream may be nested that package gob decodes, which calls
// itself for each struct, array, slice, map and interface: on about 300 to 1,500 bytes of
// stack, of which Go has 512 MB before it ends the process. depthWithin, which does not
// count structs, allows a quarter of it.
const maxGobDepth = 4 * MaxDepth

// boundGob looks at what is to be decoded by package gob, which trusts the nesting and the
// sizes of maps that a stream claims, and returns the stream to decode instead. It accepts
// what gob.Encoder writes for a pointer to an interface, and no other stream:
//
//	message     number of bytes · interface id · 0 · interface
//	interface   length of name · name… · { −id · definition · number of bytes }… · id · number of bytes · value
//	value       struct: { difference of field numbers · field }… · 0; else 0 · value
//
// A message may end after a definition; the number of bytes that follows is then that of the
// next one. The number of bytes of a value that has definitions in it is wrong: Encoder counts
// up to the first. Decoder needs it only to pass a field that its type doesn't have, which
// can't be where both ends are the same program. So the returned stream has a number there
// that makes that an error.
func boundGob(b []byte) ([]byte, error) {
	g := gobStream{b: b, types: map[int64]*gobType{}}
	g.message()
	if g.int() != gobInterface || g.uint() != 0 {
		return nil, wire.ErrMalformed
	}
	g.interfaceValue(1)
	if g.err == nil && g.pos != len(b) {
		g.err = wire.ErrMalformed
	}
	if g.err != nil {
		return nil, g.err
	}
	g.copyTo(len(b))
	g.endMessage()
	return g.out, nil
}

// The ids of types that are in no definition, and the first of those that are.
const (
	gobBytes     = 5
	gobString    = 6
	gobComplex   = 7
	gobInterface = 8
	gobDefined   = 64
)

// A gobType is a type as it is defined in a stream.
type gobType struct {
	kind   int      // its field in gob's wireType
	of     [2]int64 // the elements of an array or slice; keys and elements of a map
	fields []int64  // of a struct
}

// The fields of gob's wireType. Those that follow are types with methods of their own.
const (
	gobArray  = 1
	gobSlice  = 2
	gobStruct = 3
	gobMap    = 4
	gobLast   = 7
)

// A gobStream is read from pos; the message ends at end. After an error all that is read is 0.
type gobStream struct {
	b        []byte
	pos, end int
	types    map[int64]*gobType
	err      error

	out    []byte // the stream to decode, of which b up to copied is there
	copied int
	began  int // where in out its last message begins
}

// copyTo appends what is not yet copied up to pos.
func (g *gobStream) copyTo(pos int) {
	g.out = append(g.out, g.b[g.copied:pos]...)
	g.copied = pos
}

// replace appends a number in the place of that which was read since pos.
func (g *gobStream) replace(pos int, n uint64) {
	g.copyTo(pos)
	g.out = binary.BigEndian.AppendUint64(append(g.out, 0xf8), n) // 8 bytes follow
	g.copied = g.pos
}

func (g *gobStream) endMessage() {
	if g.began > 0 {
		binary.BigEndian.PutUint64(g.out[g.began-8:], uint64(len(g.out)-g.began))
	}
}

func (g *gobStream) fail(err error) {
	if g.err == nil {
		g.err = err
	}
	g.pos = g.end
}

// message begins the next message, where the one before has ended.
func (g *gobStream) message() {
	g.copyTo(g.pos)
	g.endMessage()
	before := g.pos
	g.end = len(g.b)
	n := g.count(1)
	g.end = g.pos + n
	g.replace(before, 0)
	g.began = len(g.out)
}

func (g *gobStream) uint() (u uint64) {
	if g.err != nil || g.pos >= g.end {
		g.fail(wire.ErrMalformed)
		return 0
	}
	c := g.b[g.pos]
	g.pos++
	if c <= 0x7f {
		return uint64(c)
	}
	n := -int(int8(c))
	if n > 8 || n > g.end-g.pos {
		g.fail(wire.ErrMalformed)
		return 0
	}
	for _, c := range g.b[g.pos : g.pos+n] {
		u = u<<8 | uint64(c)
	}
	g.pos += n
	return u
}

func (g *gobStream) int() int64 {
	u := g.uint()
	if u&1 != 0 {
		return ^int64(u >> 1)
	}
	return int64(u >> 1)
}

// count is a number of things that take bytes each, of which there must be as many.
func (g *gobStream) count(bytes int) int {
	n := g.uint()
	if n > uint64((g.end-g.pos)/bytes) {
		g.fail(wire.ErrMalformed)
		return 0
	}
	return int(n)
}

// skip passes a string.
func (g *gobStream) skip() int {
	n := g.count(1)
	g.pos += n
	return n
}

// structFields calls field for each field that there is, by its number from 0.
func (g *gobStream) structFields(field func(n uint64)) {
	n := uint64(0)
	for delta := g.uint(); delta != 0 && g.err == nil; delta = g.uint() {
		if n += delta; n < delta {
			g.fail(wire.ErrMalformed)
			return
		}
		field(n - 1)
	}
}

// define reads the definition of a type: a wireType of package gob.
func (g *gobStream) define(id int64) {
	if id < gobDefined || g.types[id] != nil {
		g.fail(wire.ErrMalformed)
		return
	}
	t := &gobType{}
	g.types[id] = t
	g.structFields(func(kind uint64) {
		if t.kind != 0 || kind >= gobLast {
			g.fail(wire.ErrMalformed)
			return
		}
		t.kind = int(kind) + 1
		g.structFields(func(n uint64) {
			switch {
			case n == 0:
				g.nameAndID()
			case t.kind == gobStruct && n == 1:
				for range g.count(1) {
					t.fields = append(t.fields, g.nameAndID())
				}
			case t.kind != gobStruct && t.kind <= gobMap && n <= 2:
				t.of[n-1] = g.int() // of an array the second is its length
			default:
				g.fail(wire.ErrMalformed)
			}
		})
	})
	if t.kind == 0 {
		g.fail(wire.ErrMalformed)
	}
}

// nameAndID reads a struct of these two.
func (g *gobStream) nameAndID() (id int64) {
	g.structFields(func(n uint64) {
		switch n {
		case 0:
			g.skip()
		case 1:
			id = g.int()
		default:
			g.fail(wire.ErrMalformed)
		}
	})
	return id
}

var errGobDepth = fmt.Errorf("more than %d structs, slices, maps and interfaces lead to it", maxGobDepth)

// interfaceValue passes what an interface holds.
func (g *gobStream) interfaceValue(depth int) {
	if g.skip() == 0 {
		return // nil
	}
	id := g.int()
	for ; id < 0 && g.err == nil; id = g.int() {
		g.define(-id)
		if g.pos == g.end && g.end < len(g.b) && g.err == nil {
			g.message()
		} else {
			g.uint()
		}
	}
	before := g.pos
	g.uint()
	g.replace(before, math.MaxInt64)
	if t := g.types[id]; t == nil || t.kind != gobStruct {
		if g.uint() != 0 {
			g.fail(wire.ErrMalformed)
		}
	}
	g.value(id, depth)
}

// value passes a value of a type.
func (g *gobStream) value(id int64, depth int) {
	if g.err != nil {
		return
	}
	if depth++; depth > maxGobDepth {
		g.fail(errGobDepth)
		return
	}
	t := g.types[id]
	switch {
	case id == gobInterface:
		g.interfaceValue(depth)
	case id == gobBytes || id == gobString:
		g.skip()
	case id == gobComplex:
		g.uint()
		g.uint()
	case id > 0 && id < gobBytes:
		g.uint()
	case t == nil:
		g.fail(errors.Join(wire.ErrMalformed, fmt.Errorf("type %d is not defined", id)))
	case t.kind == gobArray || t.kind == gobSlice:
		for n := g.count(1); n > 0 && g.err == nil; n-- {
			g.value(t.of[0], depth)
		}
	case t.kind == gobMap:
		for n := g.count(2); n > 0 && g.err == nil; n-- {
			g.value(t.of[0], depth)
			g.value(t.of[1], depth)
		}
	case t.kind == gobStruct:
		g.fieldsOf(t, depth)
	default:
		g.skip()
	}
}

func (g *gobStream) fieldsOf(t *gobType, depth int) {
	n := uint64(0)
	for delta := g.uint(); delta != 0 && g.err == nil; delta = g.uint() {
		if delta > uint64(len(t.fields))-n {
			g.fail(wire.ErrMalformed)
			return
		}
		n += delta
		g.value(t.fields[n-1], depth)
	}
}
