package codec

import (
	"errors"
	"reflect"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// ErrTooLarge is wrapped where an encoded value has more bytes than there is memory for.
var ErrTooLarge = errors.New("pool: too large to be handed over by value")

// A Plan writes values of one type into memory and reads them back, field by field.
type Plan struct {
	typ      reflect.Type
	result   bool
	root     *node
	nodes    map[reflect.Type]*node // those of the types that pointers, slices, maps and arrays lead to
	flat     bool                   // there are only numbers, bools, short strings, Views and Arrays: see appendFlat
	memory   int                    // the bytes of a flat value that is encoded as it is in memory
	strings  []uintptr              // where the strings of a flat value are
	flatMost int                    // what a flat value takes at most, but for the bytes of its strings
	arrays   bool                   // there are Views, OwnedViews, Arrays or Carriers
	whole    bool                   // of the values in a Block: none has to be made anew, but for itself
}

// CompileArgument returns the plan of an argument type.
func CompileArgument(t reflect.Type) (*Plan, error) { return compile(&Plan{typ: t}) }

// CompileResult returns the plan of a result type, whose arrays are OwnedViews.
func CompileResult(t reflect.Type) (*Plan, error) { return compile(&Plan{typ: t, result: true}) }

func compile(p *Plan) (*Plan, error) {
	p.nodes = map[reflect.Type]*node{}
	p.root = &node{typ: p.typ}
	c := compiler{Plan: p, node: p.root}
	if err := c.add(p.typ, 0, p.typ.String(), p.field(p.typ.String())); err != nil {
		return nil, err
	}
	p.root.finish()
	for _, n := range p.nodes {
		n.finish()
	}
	if err := c.refuseInMaps(); err != nil {
		return nil, err
	}
	p.arrays = p.root.reaches(func(o *op) bool { return o.kind == opArray || o.kind == opCarrier })
	p.flat = true
	p.flatMost = p.root.minBytes
	for i := range p.root.ops {
		switch o := &p.root.ops[i]; o.kind {
		case opBytes, opBools:
		case opString:
			p.strings = append(p.strings, o.off)
		case opArray:
			p.flatMost += dimensionBytes * shm.MaxRank
		default:
			p.flat = false
		}
	}
	p.flat = p.flat && p.flatMost <= wire.MaxInline
	if o := p.root.ops; p.flat && len(o) == 1 && o[0].kind == opBytes && o[0].off == 0 {
		p.memory = int(o[0].size)
	}
	return p, nil
}

// Type is the type of the values.
func (p *Plan) Type() reflect.Type { return p.typ }

// Arrays reports whether values have Views, OwnedViews, Arrays or Carriers.
func (p *Plan) Arrays() bool { return p.arrays }

// Empty reports whether values have no bytes.
func (p *Plan) Empty() bool { return p.root.minBytes == 0 }

// carried is the kind of the arrays of Carriers.
func (p *Plan) carried() shm.Kind {
	if p.result {
		return shm.KindOwnedView
	}
	return shm.KindView
}

// field is path without the package: "In.X" for field X of type main.In.
func (p *Plan) field(path string) string {
	rest, name := path[len(p.typ.String()):], p.typ.Name()
	switch {
	case name != "" && rest != "":
		return name + rest
	case p.result:
		return "result" + rest
	}
	return "argument" + rest
}

// Quick reports whether values are encoded and decoded without users' methods, and in a
// time that does not depend on how large they are, but for strings.
func (p *Plan) Quick() bool { return p.flat && !p.arrays }
