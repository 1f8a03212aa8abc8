package files

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
)

// A column is one top-level field of an Arrow file, and what of a record batch
// belongs to it: batches list the nodes and buffers of all fields in one row,
// nested fields after their parents.
type column struct {
	name    string
	typ     arrow.DataType // nil: not numeric, or not asked for
	width   int64          // bytes of one value
	why     string         // for one that is not numeric and was asked for
	null    bool           // may have nulls
	nodes   int
	buffers int
	views   int // nodes that have further buffers, as many as the batch says
}

// A table of an Arrow file: its columns and what it says of all of them.
type layout struct {
	columns   []column
	version   int16 // of the metadata
	bigEndian bool
	arrow     *arrow.Schema // the numeric columns
	rowBytes  int64         // of the numeric columns
}

// Bounds that no real file comes near; without them a few bytes that refer to
// each other describe any number of fields.
const (
	maxFields     = 1 << 20
	minFieldBytes = 16 // of metadata: a table and the reference to it
	maxNesting    = 64
	maxNames      = 64 << 20 // bytes, of all names
)

const (
	version4 = 3 // Arrow 0.8 and newer
	version5 = 4 // Arrow 1.0 and newer
)

// parseSchema reads a Schema table: 0 endianness, 1 fields.
func parseSchema(t fbTable, version int16) (*layout, error) {
	if version < version4 || version > version5 {
		return nil, unsupportedf("metadata version %d, expected V4 or V5", int(version)+1)
	}
	l := &layout{version: version}
	switch endian := t.i16(0); endian {
	case 0:
	case 1:
		l.bigEndian = true
	default:
		return nil, corruptf("schema: endianness %d", endian)
	}
	fields := t.vector(1, 4)
	p := schemaParser{version: version, most: min(maxFields, len(t.f.buf)/minFieldBytes)}
	for i := range fields.n {
		field := fields.table(i)
		c := column{name: p.name(field), null: field.u8(1) != 0}
		if err := p.field(&c, field, 0); err != nil {
			return nil, err
		}
		if t.f.bad {
			break
		}
		l.columns = append(l.columns, c)
	}
	if t.f.bad {
		return nil, corruptf("schema: an offset points outside of the metadata")
	}
	l.settle()
	return l, nil
}

// settle makes the schema of the columns that are handed out.
func (l *layout) settle() {
	var fields []arrow.Field
	l.rowBytes = 0
	for _, c := range l.columns {
		if c.typ != nil {
			fields = append(fields, arrow.Field{Name: c.name, Type: c.typ, Nullable: c.null})
			l.rowBytes += c.width
		}
	}
	l.arrow = arrow.NewSchema(fields, nil)
}

// diff says in which column another layout would give other records; "" if in none.
func (l *layout) diff(other *layout) string {
	if len(l.columns) != len(other.columns) {
		return fmt.Sprintf("%d of them, expected %d", len(other.columns), len(l.columns))
	}
	for i, want := range l.columns {
		if got := other.columns[i]; got.name != want.name || got.String() != want.String() {
			return fmt.Sprintf("column %d is %s, %v, expected %s, %v", i+1, show(got.name), got, show(want.name), want)
		}
	}
	return ""
}

// String is the type of the column, and why it is in no record.
func (c column) String() string {
	switch {
	case c.typ == nil && c.why == "":
		return "not asked for"
	case c.typ == nil:
		return c.why
	case c.null:
		return c.typ.String() + " with nulls"
	}
	return c.typ.String()
}

func (l *layout) skipped() (s []Skipped) {
	for _, c := range l.columns {
		if c.why != "" {
			s = append(s, Skipped{c.name, c.why, -1})
		}
	}
	return s
}

type schemaParser struct {
	version       int16
	most          int // fields
	fields, names int // so far
}

func (p *schemaParser) name(field fbTable) string {
	b := field.bytes(0)
	p.names += len(b)
	if p.names > maxNames {
		return ""
	}
	return string(b)
}

// field adds what a Field table takes in a batch to c: 0 name, 1 nullable,
// 2 kind of type, 3 type, 4 dictionary encoding, 5 children.
func (p *schemaParser) field(c *column, field fbTable, depth int) error {
	if p.fields++; p.fields > p.most || p.names > maxNames || depth > maxNesting {
		return corruptf("schema: more than %d fields, %d levels or %d bytes of names", p.most, maxNesting, maxNames)
	}
	kind := field.u8(2)
	if int(kind) >= len(kinds) || kind == 0 {
		return unsupportedf("schema: column %s is of unknown type %d", show(c.name), kind)
	}
	k := kinds[kind]
	c.nodes++
	if _, encoded := field.table(4); encoded {
		c.buffers += 2 // indices; the dictionary comes in messages of its own
		c.skip(depth, "dictionary-encoded "+k.name)
		return nil
	}
	typ, _ := field.table(3)
	c.buffers += k.buffers
	if k.views {
		c.views++
	}
	switch kind {
	case kindUnion: // 0 mode: sparse 0, dense 1
		c.buffers += int(typ.i16(0)) & 1
		if p.version < version5 {
			c.buffers++ // a validity bitmap, until Arrow 1.0
		}
	case kindInt, kindFloat:
		if err := c.numeric(kind, typ, depth); err != nil {
			return err
		}
	}
	if kind != kindInt && kind != kindFloat {
		c.skip(depth, k.name)
	}
	children := field.vector(5, 4)
	if children.n > 0 && !k.nested {
		return corruptf("schema: column %s of type %s has %d children", show(c.name), k.name, children.n)
	}
	for i := range children.n {
		if err := p.field(c, children.table(i), depth+1); err != nil {
			return err
		}
		if field.f.bad {
			break
		}
	}
	return nil
}

func (c *column) skip(depth int, name string) {
	if depth == 0 {
		c.why = "type " + name + " is none of int8…uint64, float32, float64"
	}
}

// numeric settles the type of a top-level number: Int is 0 bits, 1 signed;
// FloatingPoint is 0 precision.
func (c *column) numeric(kind uint8, typ fbTable, depth int) error {
	if depth > 0 {
		return nil
	}
	switch kind {
	case kindInt:
		if c.typ = integers[intType{typ.i32(0), typ.u8(1) != 0}]; c.typ == nil {
			return corruptf("schema: column %s: an integer of %d bits", show(c.name), typ.i32(0))
		}
	case kindFloat:
		switch precision := typ.i16(0); precision {
		case 0:
			c.skip(depth, "float16")
			return nil
		case 1:
			c.typ = arrow.PrimitiveTypes.Float32
		case 2:
			c.typ = arrow.PrimitiveTypes.Float64
		default:
			return corruptf("schema: column %s: floating point of precision %d", show(c.name), precision)
		}
	}
	c.width = int64(c.typ.(arrow.FixedWidthDataType).Bytes())
	return nil
}

type intType struct {
	bits   int32
	signed bool
}

var integers = map[intType]arrow.DataType{
	{8, true}: arrow.PrimitiveTypes.Int8, {8, false}: arrow.PrimitiveTypes.Uint8,
	{16, true}: arrow.PrimitiveTypes.Int16, {16, false}: arrow.PrimitiveTypes.Uint16,
	{32, true}: arrow.PrimitiveTypes.Int32, {32, false}: arrow.PrimitiveTypes.Uint32,
	{64, true}: arrow.PrimitiveTypes.Int64, {64, false}: arrow.PrimitiveTypes.Uint64,
}

const (
	kindInt   = 2
	kindFloat = 3
	kindUnion = 14
)

// kinds is Arrow's union of types, and the buffers that each has in a batch.
var kinds = [...]struct {
	name    string
	buffers int
	nested  bool // its children follow
	views   bool // and so do some further buffers
}{
	1: {"null", 0, false, false}, kindInt: {"int", 2, false, false}, kindFloat: {"float", 2, false, false},
	4: {"binary", 3, false, false}, 5: {"utf8", 3, false, false}, 6: {"bool", 2, false, false},
	7: {"decimal", 2, false, false}, 8: {"date", 2, false, false}, 9: {"time", 2, false, false},
	10: {"timestamp", 2, false, false}, 11: {"interval", 2, false, false}, 12: {"list", 2, true, false},
	13: {"struct", 1, true, false}, kindUnion: {"union", 1, true, false}, 15: {"fixed_size_binary", 2, false, false},
	16: {"fixed_size_list", 1, true, false}, 17: {"map", 2, true, false}, 18: {"duration", 2, false, false},
	19: {"large_binary", 3, false, false}, 20: {"large_utf8", 3, false, false}, 21: {"large_list", 2, true, false},
	22: {"run_end_encoded", 0, true, false}, 23: {"binary_view", 2, false, true}, 24: {"utf8_view", 2, false, true},
	25: {"list_view", 3, true, false}, 26: {"large_list_view", 3, true, false},
}

// unsupported is a reason why a sound file is not read here.
type unsupported struct{ reason string }

func unsupportedf(format string, args ...any) error {
	return &unsupported{fmt.Sprintf(format, args...)}
}

func (e *unsupported) Error() string { return e.reason }

func (e *unsupported) Unwrap() error { return ErrUnsupported }
