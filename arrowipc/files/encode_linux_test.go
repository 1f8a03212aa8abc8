package files

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var numericTypes = []arrow.DataType{
	arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
	arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
	arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64,
}

// numericSchema has n columns, of each type in turn.
func numericSchema(n int) *arrow.Schema {
	var fields []arrow.Field
	for i := range n {
		fields = append(fields, arrow.Field{Name: fmt.Sprintf("c%d", i), Type: numericTypes[i%len(numericTypes)], Nullable: true})
	}
	return arrow.NewSchema(fields, nil)
}

// An edge of the buffers of an array, in elements, filled with noise: what stands
// there must not matter.
type edge struct{ before, after int }

// newArray makes an array of n elements of any bits, nulls among them (-1 none,
// 0 some, 1 all); the noise decides what lies around it.
func newArray(typ arrow.DataType, n, nulls int, e edge, content, noise *rand.Rand) arrow.Array {
	width := typ.(arrow.FixedWidthDataType).Bytes()
	values := make([]byte, (e.before+n+e.after)*width)
	for i := range values {
		values[i] = byte(noise.Uint32())
	}
	for i := range n * width {
		values[e.before*width+i] = byte(content.Uint32())
	}
	bufs := []*memory.Buffer{nil, memory.NewBufferBytes(values)}
	count := 0
	if nulls >= 0 {
		count = array.UnknownNullCount
		bits := make([]byte, (e.before+n+e.after+7)/8)
		for i := range bits {
			if e != (edge{}) {
				bits[i] = byte(noise.Uint32())
			}
		}
		for i := range n {
			set := nulls == 0 && content.IntN(3) > 0
			at := e.before + i
			bits[at/8] &^= 1 << (at % 8)
			if set {
				bits[at/8] |= 1 << (at % 8)
			}
		}
		bufs[0] = memory.NewBufferBytes(bits)
	}
	data := array.NewData(typ, n, bufs, nil, count, e.before)
	defer data.Release()
	return array.MakeFromData(data)
}

// newRecordOf makes a record whose elements are those of seed, whatever the edges.
func newRecordOf(schema *arrow.Schema, rows int, seed uint64, edges edges) arrow.Record {
	content, noise := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 2))
	var cols []arrow.Array
	for i, f := range schema.Fields() {
		cols = append(cols, newArray(f.Type, rows, i%3-1, edges(noise), content, noise))
	}
	return newRecord(schema, cols, int64(rows))
}

type edges func(*rand.Rand) edge

func noEdge(*rand.Rand) edge { return edge{} }

func anyEdge(r *rand.Rand) edge { return edge{1 + r.IntN(20), r.IntN(20)} }

// encode makes a whole file.
func encode(t require.TestingT, format Format, schema *arrow.Schema, recs ...arrow.Record) (file []byte, blocks []Block) {
	e, err := NewEncoder(format, schema)
	require.NoError(t, err)
	out := bytes.NewBuffer(bytes.Clone(e.Head()))
	for _, rec := range recs {
		before := out.Len()
		p, err := e.WriteChunk(out, rec)
		require.NoError(t, err)
		require.Equal(t, int64(out.Len()-before), p.Len())
		blocks = append(blocks, p)
	}
	tail, err := e.Tail(slices.Values(blocks))
	require.NoError(t, err)
	out.Write(tail)
	return out.Bytes(), blocks
}

// libraryFile is what Arrow's own writer makes of the records, with the mark of
// the stream's end that the format asks for and that writer leaves out.
func libraryFile(t require.TestingT, schema *arrow.Schema, recs ...arrow.Record) []byte {
	var out writeSeeker
	w, err := ipc.NewFileWriter(&out, ipc.WithSchema(schema))
	require.NoError(t, err)
	for _, rec := range recs {
		require.NoError(t, w.Write(rec))
	}
	require.NoError(t, w.Close())
	end := len(out.b) - int(tail)
	footer := end - int(binary.LittleEndian.Uint32(out.b[end:]))
	return slices.Concat(out.b[:footer], endOfStream, out.b[footer:])
}

func release(recs []arrow.Record) {
	for _, rec := range recs {
		rec.Release()
	}
}

// Byte for byte what the Arrow library writes: all types, nulls, empty records,
// many columns, any number of chunks; and the same bytes again where the elements
// lie between others.
func TestEncodeArrowIsTheLibrarys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		schema := numericSchema(rapid.SampledFrom([]int{1, 2, 3, 10, 30, 200}).Draw(t, "columns"))
		if rapid.Bool().Draw(t, "metadata") {
			m := arrow.NewMetadata([]string{"a", "longer key"}, []string{"1", rapid.String().Draw(t, "value")})
			schema = arrow.NewSchema(schema.Fields(), &m)
		}
		var exact, slices []arrow.Record
		for i, rows := range rapid.SliceOfN(rapid.IntRange(0, 70), 0, 7).Draw(t, "rows") {
			exact = append(exact, newRecordOf(schema, rows, uint64(i), noEdge))
			slices = append(slices, newRecordOf(schema, rows, uint64(i), anyEdge))
		}
		defer release(exact)
		defer release(slices)
		want := libraryFile(t, schema, exact...)
		got, _ := encode(t, Arrow, schema, exact...)
		if !bytes.Equal(want, got) {
			t.Fatalf("exact arrays: not what the library writes")
		}
		if got, _ = encode(t, Arrow, schema, slices...); !bytes.Equal(want, got) {
			t.Fatalf("slices: the bytes depend on what lies around the elements")
		}
	})
}

// The library's own arrays, as builders make and NewSlice cuts them.
func TestEncodeArrowOfBuilders(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Float64}, {Name: "ü, \"x\"", Type: arrow.PrimitiveTypes.Int64}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range 100 {
		b.Field(0).(*array.Float64Builder).Append(float64(i) / 3)
		b.Field(1).(*array.Int64Builder).Append(int64(-i))
	}
	whole := b.NewRecord()
	recs := []arrow.Record{whole, whole.NewSlice(3, 20), whole.NewSlice(99, 100), whole.NewSlice(50, 50), whole.NewSlice(0, 8)}
	defer release(recs)
	got, _ := encode(t, Arrow, schema, recs...)
	require.True(t, bytes.Equal(libraryFile(t, schema, recs...), got))
}

// Both readers read it, the blocks are aligned as the format asks for, and a
// second Encoder goes on where the first was stopped.
func TestEncodeArrowIsRead(t *testing.T) {
	a, _ := newAllocator(t, 0)
	schema := numericSchema(20)
	var recs []arrow.Record
	for i, rows := range []int{5, 0, 64, 1, 1000} {
		recs = append(recs, newRecordOf(schema, rows, uint64(i), anyEdge))
	}
	defer release(recs)
	file, blocks := encode(t, Arrow, schema, recs...)

	r, err := ipc.NewFileReader(bytes.NewReader(file))
	require.NoError(t, err)
	defer r.Close()
	require.True(t, schema.Equal(r.Schema()))
	require.Equal(t, len(recs), r.NumRecords())
	for i, want := range recs {
		got, err := r.Record(i)
		require.NoError(t, err)
		require.True(t, array.RecordApproxEqual(want, got, array.WithNaNsEqual(true)), "record %d", i)
	}

	path := newFile(t, "x.arrow", file)
	_, cols, sizes, err := readAll(t, a, path, nil)
	require.NoError(t, err)
	require.Equal(t, []int{5, 64, 1, 1000}, sizes)
	for i := range cols {
		var want cells
		for _, rec := range recs {
			want = append(want, anyCells(rec.Column(i))...)
		}
		requireCells(t, want, cols[i])
	}
	at := len(file) - int(tail)
	f := &flatbuf{buf: file[at-int(binary.LittleEndian.Uint32(file[at:])) : at]}
	between := file[8 : at-len(f.buf)] // the magic and the footer lies a stream
	_, stream, _, err := readAll(t, a, newFile(t, "x.stream", between), nil)
	require.NoError(t, err)
	for i := range cols {
		requireCells(t, cols[i], stream[i])
	}

	require.Zero(t, (at-len(f.buf))%alignment)
	listed := f.root().vector(3, blockBytes)
	require.Equal(t, len(recs), listed.n)
	require.Zero(t, (listed.pos)%alignment)
	for i := range listed.n {
		off := f.i64(listed.pos + blockBytes*i)
		require.Zero(t, off%alignment)
		require.Equal(t, blocks[i].Meta, int64(f.u32(listed.pos+blockBytes*i+8)))
		require.Equal(t, blocks[i].Body, f.i64(listed.pos+blockBytes*i+16))
	}

	first, err := NewEncoder(Arrow, schema)
	require.NoError(t, err)
	out := bytes.NewBuffer(bytes.Clone(first.Head()))
	for i, rec := range recs {
		e, err := NewEncoder(Arrow, schema) // killed after each block
		require.NoError(t, err)
		p, err := e.WriteChunk(out, rec)
		require.NoError(t, err)
		require.Equal(t, blocks[i], p)
	}
	end, err := first.Tail(slices.Values(blocks))
	require.NoError(t, err)
	require.True(t, bytes.Equal(file, append(out.Bytes(), end...)))
}

// Records that lie in shared memory go to the file from there.
func TestEncodeWhatWasRead(t *testing.T) {
	a, _ := newAllocator(t, 0)
	for _, format := range []Format{Arrow, CSV} {
		r, err := Open(shared+"small.arrow", a, &Options{ChunkRows: 3})
		require.NoError(t, err)
		defer r.Close()
		var recs []arrow.Record
		for {
			rec, err := r.Next(context.Background())
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			recs = append(recs, rec)
		}
		file, _ := encode(t, format, r.Schema(), recs...)
		release(recs)
		_, cols, _, err := readAll(t, a, newFile(t, "x."+string(format), file), nil)
		require.NoError(t, err)
		want := smallCells()
		if format == CSV {
			for i := range want {
				want[i] = floats(want[i])
			}
		}
		require.Equal(t, want, cols)
	}
}

// writesTo gives an error after some bytes.
type writesTo struct{ left int }

var errFull = errors.New("no space")

func (w *writesTo) Write(b []byte) (int, error) {
	if len(b) > w.left {
		return 0, errFull
	}
	w.left -= len(b)
	return len(b), nil
}

func TestEncodeErrors(t *testing.T) {
	f64 := arrow.PrimitiveTypes.Float64
	for name, c := range map[string]struct {
		format Format
		fields []arrow.Field
		want   string
	}{
		"no columns":      {Arrow, nil, "without columns"},
		"text":            {CSV, []arrow.Field{{Name: "a", Type: arrow.BinaryTypes.String}}, `column 1 "a": type utf8 is none of`},
		"a name in bytes": {Arrow, []arrow.Field{{Name: "\xe9", Type: f64}}, "not UTF-8"},
		"unknown format":  {"parquet", []arrow.Field{{Name: "a", Type: f64}}, `format "parquet", expected "arrow" or "csv"`},
	} {
		_, err := NewEncoder(c.format, arrow.NewSchema(c.fields, nil))
		require.ErrorIs(t, err, ErrUnsupported, name)
		require.ErrorContains(t, err, c.want, name)
	}
	_, err := NewEncoder(CSV, arrow.NewSchema([]arrow.Field{{Name: "\xe9", Type: f64}}, nil))
	require.NoError(t, err)

	for path, want := range map[string]Format{"a.csv": CSV, "a.CSV": CSV, "/b.c/a.arrow": Arrow, "a.feather": Arrow, "a.Ipc": Arrow} {
		got, err := FormatOf(path)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, path := range []string{"a", "a.arrows", "a.tsv", "a.csv.gz", "csv"} {
		_, err := FormatOf(path)
		require.ErrorIs(t, err, ErrUnsupported)
		require.ErrorContains(t, err, ".feather")
	}

	schema := numericSchema(4)
	rec := newRecordOf(schema, 50, 1, anyEdge)
	defer rec.Release()
	withBitmap := func(bits []byte) arrow.Record { // for elements 8 to 16 of the first column
		bufs := []*memory.Buffer{memory.NewBufferBytes(bits), memory.NewBufferBytes(make([]byte, 16))}
		data := array.NewData(schema.Field(0).Type, 8, bufs, nil, array.UnknownNullCount, 8)
		defer data.Release()
		cols := []arrow.Array{array.MakeFromData(data)}
		for _, c := range rec.Columns()[1:] {
			cols = append(cols, array.NewSlice(c, 0, 8))
		}
		return newRecord(schema, cols, 8)
	}
	for _, format := range []Format{Arrow, CSV} {
		e, err := NewEncoder(format, schema)
		require.NoError(t, err)
		var whole bytes.Buffer
		_, err = e.WriteChunk(&whole, rec)
		require.NoError(t, err)
		for left := range whole.Len() {
			_, err := e.WriteChunk(&writesTo{left}, rec)
			require.ErrorIs(t, err, errFull)
		}
		p, err := e.WriteChunk(&writesTo{whole.Len()}, rec)
		require.NoError(t, err, "a failed write leaves the Encoder as it was")
		require.Equal(t, int64(whole.Len()), p.Len())

		other := newRecordOf(numericSchema(5), 1, 1, noEdge)
		_, err = e.WriteChunk(&whole, other)
		require.ErrorContains(t, err, "5 columns, expected 4")
		other.Release()
		other = newRecordOf(arrow.NewSchema(slices.Concat(schema.Fields()[:3], schema.Fields()[:1]), nil), 1, 1, noEdge)
		_, err = e.WriteChunk(&whole, other)
		require.ErrorContains(t, err, `column 4 "c0" of type int8, expected "c3" of int64`)
		other.Release()
		other = withBitmap(nil)
		_, err = e.WriteChunk(&whole, other)
		require.NoError(t, err, "an empty bitmap is none")
		other.Release()
		other = withBitmap([]byte{0})
		_, err = e.WriteChunk(&whole, other)
		require.ErrorIs(t, err, ErrCorrupt)
		require.ErrorContains(t, err, `column 1 "c0": an array of 8 elements at offset 8 whose validity bitmap ends before`)
		other.Release()
	}

	e, err := NewEncoder(Arrow, schema)
	require.NoError(t, err)
	for _, p := range []Block{{}, {Meta: 8}, {Meta: 12, Body: 8}, {Meta: 16, Body: -8}, {Meta: 16, Body: 4}, {Meta: 1 << 40}, {16, math.MaxInt64 &^ 7}} {
		_, err := e.Tail(slices.Values([]Block{p}))
		require.ErrorIs(t, err, ErrCorrupt, "%+v", p)
	}
	_, err = e.Tail(func(yield func(Block) bool) {
		for yield(Block{Meta: 16}) {
		}
	})
	require.ErrorContains(t, err, "use larger ones")
}
