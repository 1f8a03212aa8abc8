package files

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
)

var golden = []struct {
	name  string
	bytes func(*testing.T) []byte
}{
	{"small.arrow", func(t *testing.T) []byte { return writeFile(t) }},
	{"small.stream", func(t *testing.T) []byte { return writeStream(t) }},
	{"corrupt-footer.arrow", func(t *testing.T) []byte { // its schema lies outside
		b := writeFile(t)
		size := int(binary.LittleEndian.Uint32(b[len(b)-10:]))
		binary.LittleEndian.PutUint32(b[len(b)-10-size:], 0xFFFFFFF0)
		return b
	}},
	{"corrupt-length.stream", func(t *testing.T) []byte { // 48 MiB of metadata
		b := writeStream(t)
		binary.LittleEndian.PutUint32(b[4:], 48<<20)
		return b
	}},
	{"corrupt-tree.stream", func(t *testing.T) []byte { return treeStream(60) }},
}

// The files that several packages share are what the writer writes.
func TestGolden(t *testing.T) {
	for _, g := range golden {
		want := g.bytes(t)
		if *update {
			require.NoError(t, os.WriteFile(shared+g.name, want, 0o644))
		}
		got, err := os.ReadFile(shared + g.name)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got), "%s differs, go test -run TestGolden -update writes it", g.name)
	}
}

// The small table: 20 rows in two batches, what its reader must give, and some
// columns that no reader hands out.
var smallFields = []arrow.Field{
	{Name: "day", Type: arrow.FixedWidthTypes.Date32},
	{Name: "delay", Type: arrow.PrimitiveTypes.Int16, Nullable: true},
	{Name: "carrier", Type: arrow.BinaryTypes.String},
	{Name: "i8", Type: arrow.PrimitiveTypes.Int8},
	{Name: "parts", Type: arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Float64}, arrow.Field{Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32)})},
	{Name: "u64", Type: arrow.PrimitiveTypes.Uint64, Nullable: true},
	{Name: "kind", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}},
	{Name: "f32", Type: arrow.PrimitiveTypes.Float32},
	{Name: "half", Type: arrow.FixedWidthTypes.Float16},
	{Name: "f64", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "f64", Type: arrow.PrimitiveTypes.Int32},
	{Name: "ok", Type: arrow.FixedWidthTypes.Boolean},
}

const smallRows, smallFirst = 20, 13 // in all, and in the first batch

var smallNames = []string{"delay", "i8", "u64", "f32", "f64", "f64"}

func smallCells() []cells {
	cols := make([]cells, len(smallNames))
	for i := range smallRows {
		row := cells{int16(i * -100), int8(i - 10), math.MaxUint64 - uint64(i), float32(i) / 4, math.Sqrt(float64(i)), int32(i * i)}
		if i%5 == 2 {
			row[0] = nil
		}
		if i < smallFirst {
			row[2] = nil // the second batch has none
		}
		if i == 12 || i == 19 {
			row[4] = nil
		}
		for j, v := range row {
			cols[j] = append(cols[j], v)
		}
	}
	return cols
}

func smallBatch(t testing.TB, schema *arrow.Schema, from, to int) arrow.Record {
	t.Helper()
	want := smallCells()
	bld := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer bld.Release()
	for i := from; i < to; i++ {
		next := 0
		for j, f := range schema.Fields() {
			b := bld.Field(j)
			switch f.Type.ID() {
			case arrow.DATE32, arrow.STRING, arrow.DICTIONARY, arrow.FLOAT16, arrow.BOOL:
				require.NoError(t, b.AppendValueFromString(map[arrow.Type]string{arrow.DATE32: "2001-02-03", arrow.FLOAT16: "1.5", arrow.BOOL: "true"}[f.Type.ID()]))
			case arrow.STRUCT:
				s := b.(*array.StructBuilder)
				s.Append(true)
				s.FieldBuilder(0).(*array.Float64Builder).Append(1)
				l := s.FieldBuilder(1).(*array.ListBuilder)
				l.Append(true)
				l.ValueBuilder().(*array.Int32Builder).AppendValues([]int32{1, 2}, nil)
			default:
				appendCell(b, want[next][i])
				next++
			}
		}
	}
	return bld.NewRecord()
}

func appendCell(b array.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.AppendNull()
	case int8:
		b.(*array.Int8Builder).Append(v)
	case int16:
		b.(*array.Int16Builder).Append(v)
	case int32:
		b.(*array.Int32Builder).Append(v)
	case uint64:
		b.(*array.Uint64Builder).Append(v)
	case float32:
		b.(*array.Float32Builder).Append(v)
	case float64:
		b.(*array.Float64Builder).Append(v)
	}
}

func writeBatches(t testing.TB, schema *arrow.Schema, w interface {
	Write(arrow.Record) error
	Close() error
}) {
	for _, r := range [][2]int{{0, smallFirst}, {smallFirst, smallRows}} {
		rec := smallBatch(t, schema, r[0], r[1])
		require.NoError(t, w.Write(rec))
		rec.Release()
	}
	require.NoError(t, w.Close())
}

func writeFile(t testing.TB, opts ...ipc.Option) []byte {
	t.Helper()
	return fileOf(t, arrow.NewSchema(smallFields, nil), opts...)
}

func writeStream(t testing.TB, opts ...ipc.Option) []byte {
	t.Helper()
	return streamOf(t, arrow.NewSchema(smallFields, nil), opts...)
}

// tiny is few enough fields to try a great many changed files.
var tiny = arrow.NewSchema(smallFields[1:3], nil)

func fileOf(t testing.TB, schema *arrow.Schema, opts ...ipc.Option) []byte {
	t.Helper()
	f, err := os.Create(t.TempDir() + "/out")
	require.NoError(t, err)
	defer f.Close()
	w, err := ipc.NewFileWriter(f, append(opts, ipc.WithSchema(schema))...)
	require.NoError(t, err)
	writeBatches(t, schema, w)
	b, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	return b
}

func streamOf(t testing.TB, schema *arrow.Schema, opts ...ipc.Option) []byte {
	t.Helper()
	var b bytes.Buffer
	writeBatches(t, schema, ipc.NewWriter(&b, append(opts, ipc.WithSchema(schema))...))
	return b.Bytes()
}

// treeStream is a stream whose schema has a few dozen tables and 2^levels
// fields: the children of each are one table, twice.
func treeStream(levels int) []byte {
	var meta []byte
	put := func(vs ...any) {
		for _, v := range vs {
			meta, _ = binary.Append(meta, binary.LittleEndian, v)
		}
	}
	u16, u32 := func(v int) uint16 { return uint16(v) }, func(v int) uint32 { return uint32(v) }
	// Root, then Message: version 5, header 1 (a schema), the schema, no body.
	put(u32(4+12), u16(10), u16(12), u16(4), u16(6), u16(8), u16(0)) // vtable at 4, table at 16
	put(u32(12), u16(version5), uint8(headerSchema), uint8(0), u32(4+8))
	put(u16(8), u16(8), u16(0), u16(4)) // Schema: vtable at 28, table at 36
	put(u32(8), u32(4), u32(1), u32(4+16))
	for range levels { // 40 bytes each: vtable, table, vector of two references to the next table
		put(u16(16), u16(12), u16(0), u16(0), u16(4), u16(0), u16(0), u16(8))
		put(u32(16), uint8(13), uint8(0), u16(0), u32(4))
		put(u32(2), u32(8+16), u32(4+16))
	}
	put(u16(16), u16(12), u16(0), u16(0), u16(4), u16(0), u16(0), u16(0), u32(16), uint8(1), uint8(0), u16(0), u32(0))
	for len(meta)%8 != 0 {
		put(uint8(0))
	}
	out := binary.LittleEndian.AppendUint32(nil, continuation)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(meta)))
	return append(append(out, meta...), 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0)
}
