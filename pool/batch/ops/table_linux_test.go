package ops

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
)

// A table is columns as text, by name; "" is null.
type table struct {
	names []string
	types []arrow.DataType
	cells [][]string
}

// everyType is a column of each type: calm rows first, then nulls, extremes, and
// among floats NaN, infinities and both zeros; and two columns more, one that is
// always the same and one with a single value.
func everyType(rows int) (t table) {
	rnd := rand.New(rand.NewPCG(5, 6))
	add := func(name string, typ arrow.DataType, cell func(i int) string) {
		t.names, t.types = append(t.names, name), append(t.types, typ)
		column := make([]string, rows)
		for i := range column {
			column[i] = cell(i)
		}
		t.cells = append(t.cells, column)
	}
	wild := func(i int) bool { return i > rows/2 && rnd.IntN(7) == 0 }
	for _, typ := range types {
		bits := typ.(arrow.FixedWidthDataType).BitWidth()
		switch {
		case arrow.IsFloating(typ.ID()):
			add(typ.Name(), typ, func(i int) string {
				if wild(i) {
					return []string{"", "NaN", "+Inf", "-Inf", "-0", "0", "1e38"}[rnd.IntN(7)]
				}
				return strconv.FormatFloat(math.Ldexp(rnd.NormFloat64(), rnd.IntN(60)), 'g', -1, bits)
			})
		case arrow.IsSignedInteger(typ.ID()):
			add(typ.Name(), typ, func(i int) string {
				least := int64(-1) << (bits - 1)
				if wild(i) {
					return []string{"", strconv.FormatInt(least, 10), strconv.FormatInt(-(least + 1), 10)}[rnd.IntN(3)]
				}
				return strconv.FormatInt(int64(rnd.Uint64())>>(64-bits), 10)
			})
		default:
			add(typ.Name(), typ, func(i int) string {
				if wild(i) {
					return []string{"", "0", strconv.FormatUint(math.MaxUint64>>(64-bits), 10)}[rnd.IntN(3)]
				}
				return strconv.FormatUint(rnd.Uint64()>>(64-bits), 10)
			})
		}
	}
	f64 := arrow.PrimitiveTypes.Float64
	add("calm", f64, func(int) string { return strconv.FormatFloat(rnd.NormFloat64()*1e6, 'g', -1, 64) })
	add("same", f64, func(int) string { return "0.1" })
	add("single", f64, func(i int) string { return map[bool]string{true: "5"}[i == 3] })
	add("huge", f64, func(i int) string {
		return []string{"1.7e308", "-1.6e308", "1.5e308", "1.7976931348623157e308"}[rnd.IntN(4)]
	})
	return t
}

// addPadded adds a column whose other cells are null.
func (t *table) addPadded(name string, typ arrow.DataType, cells []string) {
	t.names, t.types = append(t.names, name), append(t.types, typ)
	t.cells = append(t.cells, append(cells, make([]string, len(t.cells[0])-len(cells))...))
}

// floats are column c's values, and whether they are null.
func (t table) floats(c int) (values []float64, null []bool) {
	bits := t.types[c].(arrow.FixedWidthDataType).BitWidth()
	for _, s := range t.cells[c] {
		v := 0.0
		switch id := t.types[c].ID(); {
		case s == "":
		case arrow.IsFloating(id):
			v, _ = strconv.ParseFloat(s, bits)
		case arrow.IsSignedInteger(id):
			n, _ := strconv.ParseInt(s, 10, 64)
			v = float64(n)
		default:
			n, _ := strconv.ParseUint(s, 10, 64)
			v = float64(n)
		}
		values, null = append(values, v), append(null, s == "")
	}
	return values, null
}

// A cell holds all digits of a number; none of NaN and null.
type cell struct {
	number *big.Float
	null   bool
}

// exactCells are column c's values.
func (t table) exactCells(c int) (cells []cell) {
	values, null := t.floats(c)
	for i, v := range values {
		x := new(big.Float).SetPrec(100)
		switch {
		case null[i] || math.IsNaN(v):
			x = nil
		case arrow.IsFloating(t.types[c].ID()):
			x.SetFloat64(v)
		default:
			x.Parse(t.cells[c][i], 10)
		}
		cells = append(cells, cell{x, null[i]})
	}
	return cells
}

// files writes the rows as Arrow files of batches of the given sizes.
func (t table) files(tb testing.TB, sizes ...[]int) (paths []string) {
	tb.Helper()
	var fields []arrow.Field
	for i, name := range t.names {
		fields = append(fields, arrow.Field{Name: name, Type: t.types[i], Nullable: true})
	}
	schema, row := arrow.NewSchema(fields, nil), 0
	for n, batches := range sizes {
		path := filepath.Join(tb.TempDir(), fmt.Sprintf("%d.arrow", n))
		f, err := os.Create(path)
		require.NoError(tb, err)
		w, err := ipc.NewFileWriter(f, ipc.WithSchema(schema))
		require.NoError(tb, err)
		for _, size := range batches {
			b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
			for range size {
				for c := range fields {
					if s := t.cells[c][row]; s == "" {
						b.Field(c).AppendNull()
					} else {
						require.NoError(tb, b.Field(c).AppendValueFromString(s))
					}
				}
				row++
			}
			rec := b.NewRecord()
			require.NoError(tb, w.Write(rec))
			rec.Release()
			b.Release()
		}
		require.NoError(tb, w.Close())
		require.NoError(tb, f.Close())
		paths = append(paths, path)
	}
	require.Len(tb, t.cells[0], row)
	return paths
}

// A setting is what an output must not depend on.
type setting struct {
	rows, workers int
	isolation     pool.Isolation
}

// cuts are settings without processes, which cost more than what is done in them.
var cuts = []setting{{1, 3, pool.Goroutine}, {7, 1, pool.Goroutine}, {64, 2, pool.Goroutine}, {0, 1, pool.Goroutine}}

// processes are settings with them.
var processes = []setting{{7, 3, pool.Process}, {64, 1, pool.Process}}

// output is what a job writes into a file with this ending.
func (s setting) output(tb testing.TB, op, ending string, inputs []string) []byte {
	tb.Helper()
	out := filepath.Join(tb.TempDir(), "out"+ending)
	_, err := batch.Run(context.Background(), batch.Job{
		Inputs: inputs, Op: op, Out: out, ChunkRows: s.rows, Pool: pool.Options{Workers: s.workers, Isolation: s.isolation},
	})
	require.NoError(tb, err)
	b, err := os.ReadFile(out)
	require.NoError(tb, err)
	return b
}

// readCSV are the cells of CSV by column, as numbers.
func readCSV(tb testing.TB, text []byte) (names []string, values [][]float64, null [][]bool) {
	tb.Helper()
	lines, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	require.NoError(tb, err)
	names = lines[0]
	values, null = make([][]float64, len(names)), make([][]bool, len(names))
	for _, line := range lines[1:] {
		for c, cell := range line {
			v := 0.0
			if cell != "" {
				v, err = strconv.ParseFloat(cell, 64)
				require.NoError(tb, err)
			}
			values[c], null[c] = append(values[c], v), append(null[c], cell == "")
		}
	}
	return names, values, null
}

// requireSame holds two numbers to be the same to the last bit; all NaN are one.
func requireSame(tb testing.TB, want, got float64, at ...any) {
	tb.Helper()
	if math.IsNaN(want) && math.IsNaN(got) {
		return
	}
	if math.Float64bits(want) != math.Float64bits(got) {
		require.Failf(tb, "another number", "want %v, got %v: %v", want, got, at)
	}
}

// readArrow are an Arrow file's values by column, and the sizes of its batches.
func readArrow(tb testing.TB, b []byte) (values [][]float64, null [][]bool, sizes []int) {
	tb.Helper()
	r, err := ipc.NewFileReader(bytes.NewReader(b))
	require.NoError(tb, err)
	defer r.Close()
	values, null = make([][]float64, len(r.Schema().Fields())), make([][]bool, len(r.Schema().Fields()))
	for n := range r.NumRecords() {
		rec, err := r.Record(n)
		require.NoError(tb, err)
		sizes = append(sizes, int(rec.NumRows()))
		for c, col := range rec.Columns() {
			a := col.(*array.Float64)
			values[c] = append(values[c], a.Float64Values()...)
			for i := range a.Len() {
				null[c] = append(null[c], a.IsNull(i))
			}
		}
	}
	return values, null, sizes
}

// requireSameLines compares two files of text and shows the first line that differs.
func requireSameLines(tb testing.TB, want, got []byte, at ...any) {
	tb.Helper()
	w, g := bytes.Split(want, []byte("\n")), bytes.Split(got, []byte("\n"))
	require.Equal(tb, len(w), len(g), "%+v: lines", at)
	for i := range w {
		require.Equal(tb, string(w[i]), string(g[i]), "%+v: line %d", at, i+1)
	}
}
