package pool

import (
	"fmt"
	"reflect"
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

func planOf(e *entry) Plan {
	e.compile()
	return Plan{plannedFields(e.in), plannedFields(e.out)}
}

func plannedFields(p *codec.Plan) []PlannedField {
	var fields []PlannedField
	for _, f := range p.Fields() {
		fields = append(fields, PlannedField{f.Path, f.Type.String(), f.Way})
	}
	return fields
}

// Size is how many bytes v takes by value as an argument, which is what Stats.BytesByValue
// counts: as encoded, with the Refs of arrays. The methods of its types are called, as by
// Submit, and the errors are those of Func and Submit for T and v.
func Size[T any](v T) (bytes int64, err error) {
	defer func() {
		if r := recover(); r != nil { // of v's methods
			bytes, err = 0, fmt.Errorf("pool: size of %v: panic: %.1000v", reflect.TypeFor[T](), r)
		}
	}()
	plan, err := codec.CompileArgument(reflect.TypeFor[T]())
	if err != nil {
		return 0, fmt.Errorf("pool: size of %w", err)
	}
	large, err := codec.Measure(plan, &v)
	if err != nil {
		return 0, fmt.Errorf("pool: size of %v: %w", reflect.TypeFor[T](), err)
	}
	return large.Bytes(), nil
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
