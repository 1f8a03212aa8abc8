package files

import (
	"bytes"
	"encoding/csv"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func floatRecord(names []string, cols ...[]any) arrow.Record {
	var fields []arrow.Field
	var arrs []arrow.Array
	for i, name := range names {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Float64, Nullable: true})
		b := array.NewFloat64Builder(memory.DefaultAllocator)
		for _, v := range cols[i] {
			if v == nil {
				b.AppendNull()
			} else {
				b.Append(v.(float64))
			}
		}
		arrs = append(arrs, b.NewArray())
		b.Release()
	}
	return newRecord(arrow.NewSchema(fields, nil), arrs, int64(len(cols[0])))
}

func TestEncodeCSV(t *testing.T) {
	zero := math.Copysign(0, -1)
	for _, c := range []struct {
		names []string
		cols  [][]any
		want  string
	}{
		{[]string{"a", "b"}, [][]any{{1.0, nil, 0.1}, {nil, nil, -2.5}}, "a,b\n1,\n,\n0.1,-2.5\n"},
		{[]string{"a"}, [][]any{{nil, 1.0, nil}}, "a\n\"\"\n1\n\"\"\n"},
		{[]string{"a"}, [][]any{{math.NaN(), math.Inf(1), math.Inf(-1), 0.0, zero}}, "a\nNaN\n+Inf\n-Inf\n0\n-0.0\n"},
		{[]string{"a"}, [][]any{{1e6, 123456789.0, 0x1p53 - 1, -0x1p53, 0x1p60, 1e20, 1e21, 1e-6, 1e-7, math.MaxFloat64}},
			"a\n1000000\n123456789\n9007199254740991\n-9.007199254740992e+15\n1.152921504606847e+18\n1e+20\n1e+21\n0.000001\n1e-07\n1.7976931348623157e+308\n"},
		{[]string{"x,y", `say "a"`, "two\nlines", " b", ""}, [][]any{{}, {}, {}, {}, {}}, "\"x,y\",\"say \"\"a\"\"\",\"two\nlines\",\" b\",\n"},
		{[]string{""}, [][]any{{}}, "\"\"\n"},
		{[]string{"\ufeffa", "\ufeffb"}, [][]any{{}, {}}, "\"\ufeffa\",\ufeffb\n"},
		{[]string{"ARROW1\x00\x00"}, [][]any{{}}, "\"ARROW1\x00\x00\"\n"},
	} {
		rec := floatRecord(c.names, c.cols...)
		got, _ := encode(t, CSV, rec.Schema(), rec)
		require.Equal(t, c.want, string(got))
		rec.Release()
	}
}

// The beginning of the file is never taken for something else.
func TestEncodeCSVNames(t *testing.T) {
	a, _ := newAllocator(t, 0)
	for _, names := range [][]string{
		{""}, {"", ""}, {"\ufeff"}, {"\ufeffa", "b"}, {"\xff\xff\xff\xff"}, {"ARROW1"}, {"\n"}, {" a "}, {`"`}, {`a"b`, "a,b"}, {`\.`}, {"#a"},
	} {
		rec := floatRecord(names, [][]any{{1.5, nil}, {2.5, 3.5}}[:len(names)]...)
		file, _ := encode(t, CSV, rec.Schema(), rec)
		rec.Release()
		got, cols, _, err := readAll(t, a, newFile(t, "x.csv", file), nil)
		require.NoError(t, err, "%q", names)
		for i := range names {
			require.Equal(t, strings.TrimSpace(names[i]), got[i])
		}
		require.Equal(t, cells{1.5, nil}, cols[0])
	}
}

// What is written is read back: every type, nulls, any bits.
func TestEncodeCSVIsReadBack(t *testing.T) {
	a, _ := newAllocator(t, 0)
	path := newFile(t, "x.csv", nil)
	rapid.Check(t, func(r *rapid.T) {
		schema := numericSchema(rapid.SampledFrom([]int{1, 2, 10, 25}).Draw(r, "columns"))
		var recs []arrow.Record
		for i, rows := range rapid.SliceOfN(rapid.IntRange(0, 40), 1, 4).Draw(r, "rows") {
			recs = append(recs, newRecordOf(schema, rows, rapid.Uint64().Draw(r, "seed")+uint64(i), anyEdge))
		}
		defer release(recs)
		file, _ := encode(r, CSV, schema, recs...)
		overwrite(r, path, file)
		_, cols, _, err := readAll(t, a, path, &Options{ChunkRows: rapid.IntRange(1, 50).Draw(r, "chunk")})
		require.NoError(r, err)
		for i := range cols {
			var want cells
			for _, rec := range recs {
				want = append(want, floats(anyCells(rec.Column(i)))...)
			}
			requireCells(r, want, cols[i])
		}
	})
}

// FuzzEncodeCSV holds two cells and a name against encoding/csv and the reader's
// own number parser.
func FuzzEncodeCSV(f *testing.F) {
	f.Add("a", uint64(0), uint64(1), uint8(0))
	f.Add("\ufeff", math.Float64bits(1e21), math.Float64bits(-0.1), uint8(1))
	f.Add("a\"\r\n,", math.Float64bits(math.Inf(1)), math.Float64bits(math.NaN()), uint8(3))
	f.Fuzz(func(t *testing.T, name string, x, y uint64, nulls uint8) {
		col := []any{math.Float64frombits(x), math.Float64frombits(y)}
		for i := range col {
			if nulls>>i&1 != 0 {
				col[i] = nil
			}
		}
		rec := floatRecord([]string{name}, col)
		defer rec.Release()
		file, _ := encode(t, CSV, rec.Schema(), rec)
		rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
		require.NoError(t, err)
		require.Len(t, rows, 3)
		require.Equal(t, strings.ReplaceAll(name, "\r\n", "\n"), rows[0][0])
		for i, want := range col {
			if cell := rows[i+1][0]; want == nil {
				require.Empty(t, cell)
			} else {
				got, err := parseNumber(cell)
				require.NoError(t, err)
				require.True(t, sameCell(want, got), "%v is read back as %v", want, got)
			}
		}
	})
}

func TestAppendCSV(t *testing.T) {
	rec := floatRecord([]string{"a"}, []any{1.0})
	defer rec.Release()
	b, err := AppendCSV([]byte("before\n"), rec)
	require.NoError(t, err)
	require.Equal(t, "before\n1\n", string(b))

	text := array.NewStringBuilder(memory.DefaultAllocator)
	defer text.Release()
	text.Append("x")
	schema := arrow.NewSchema([]arrow.Field{{Name: "t", Type: arrow.BinaryTypes.String}}, nil)
	bad := newRecord(schema, []arrow.Array{text.NewArray()}, 1)
	defer bad.Release()
	b, err = AppendCSV([]byte("before\n"), bad)
	require.True(t, errors.Is(err, ErrUnsupported))
	require.ErrorContains(t, err, `column 1 "t": type utf8`)
	require.Equal(t, "before\n", string(b))
}

func BenchmarkAppendCSV(b *testing.B) {
	rec := newRecordOf(numericSchema(10), 1000, 1, noEdge)
	defer rec.Release()
	var dst []byte
	for b.Loop() {
		dst, _ = AppendCSV(dst[:0], rec)
	}
	b.SetBytes(int64(len(dst)))
}
