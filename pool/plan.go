package pool

import (
	"fmt"
	"strings"

	"example.com/handoff/pool/internal/codec"
)

// A Plan says how the argument and the result of a function travel.
type Plan struct {
	Argument, Result []PlannedField
}

// A PlannedField is a field of an argument or a result, or what is in one: "In.Rows[].Name"
// of each element of a slice, "In.Prices[key]" of the keys of a map.
type PlannedField struct {
	Path string
	Type string
	Way  string // "copied", "by GobEncode", "by MarshalBinary", "gob (interface)", "by reference", or "as above" in a type that leads to itself
}

// Plan says how each field travels, and so what is copied. A field that is copied as a
// whole, whatever is in it, is one line.
func (f *Fn[In, Out]) Plan() Plan { return planOf(f.e) }

func planOf(e *entry) Plan { return Plan{plannedFields(e.in), plannedFields(e.out)} }

func plannedFields(p *codec.Plan) []PlannedField {
	var fields []PlannedField
	for _, f := range p.Fields() {
		fields = append(fields, PlannedField{f.Path, f.Type.String(), f.Way})
	}
	return fields
}

// String is a table with a line for each field.
func (p Plan) String() string {
	all := append(append([]PlannedField{}, p.Argument...), p.Result...)
	path, typ := 0, 0
	for _, f := range all {
		path, typ = max(path, len(f.Path)), max(typ, len(f.Type))
	}
	var b strings.Builder
	for i, part := range [][]PlannedField{p.Argument, p.Result} {
		fmt.Fprintf(&b, "%s:\n", [...]string{"argument", "result"}[i])
		for _, f := range part {
			fmt.Fprintf(&b, "  %-*s  %-*s  %s\n", path, f.Path, typ, f.Type, f.Way)
		}
	}
	return b.String()
}
