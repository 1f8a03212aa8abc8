package bench

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"example.com/handoff/arrowipc/files"
)

// arrowFile has rows of an id, a measure with nulls, a word and a list, in batches.
func arrowFile(t *testing.T, rows, batches int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a table.arrow")
	f, err := os.Create(path)
	require.NoError(t, err)
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int32}, {Name: "word", Type: arrow.BinaryTypes.String},
		{Name: "measure", Type: arrow.PrimitiveTypes.Float64, Nullable: true}, {Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Int8)},
		{Name: "twice", Type: arrow.PrimitiveTypes.Int32},
	}, nil)
	w, err := ipc.NewFileWriter(f, ipc.WithSchema(schema))
	require.NoError(t, err)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	for i := range rows {
		b.Field(0).(*array.Int32Builder).Append(int32(i))
		b.Field(1).(*array.StringBuilder).Append("w")
		if m := b.Field(2).(*array.Float64Builder); i == 3 {
			m.AppendNull()
		} else {
			m.Append(float64(i) / 4)
		}
		b.Field(3).(*array.ListBuilder).Append(true)
		b.Field(4).(*array.Int32Builder).Append(int32(2 * i))
		if (i+1)%(rows/batches) == 0 {
			require.NoError(t, w.Write(b.NewRecord()))
		}
	}
	require.NoError(t, w.Close())
	require.NoError(t, f.Close())
	return path
}

func csvFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestFileColumns(t *testing.T) {
	held(t)
	o, err := (&Options{File: arrowFile(t, 3000, 3)}).withDefaults()
	require.NoError(t, err)
	require.NoError(t, o.readFile(background()))
	p := o.payload
	require.Equal(t, "a table.arrow", p.name)
	require.Equal(t, 3000, p.file.Rows)
	require.Equal(t, []FileColumn{{"id", "int32", 0}, {"measure", "float64", 1}, {"twice", "int32", 0}}, p.file.Columns)
	require.Len(t, p.file.Skipped, 2)
	require.Equal(t, "list", p.file.Skipped[1].Name)
	notes := strings.Join(p.file.notes(p.name), "\n")
	for _, want := range []string{`"word" of a table.arrow is left out: type utf8`, `"list"`, `"measure" of a table.arrow has 1 nulls`} {
		require.Contains(t, notes, want)
	}
	require.IsIncreasing(t, o.Sizes)
	all, err := p.size(3000)
	require.NoError(t, err)
	require.Equal(t, all, o.Sizes[len(o.Sizes)-1])
	last, err := p.find(all)
	require.NoError(t, err)
	require.Equal(t, fitting{n: 3000, bytes: all}, last)
	beyond, err := p.find(2 * all)
	require.NoError(t, err)
	require.Equal(t, 3000, beyond.n)
	require.NotEmpty(t, beyond.note)

	v := p.gen(2001).(*fileColumns) // up to the third batch
	require.Len(t, v.Int32, 2)
	require.Len(t, v.Float64, 1)
	require.Nil(t, v.Int8)
	for i := range 2001 {
		require.Equal(t, []int32{int32(i), int32(2 * i)}, []int32{v.Int32[0][i], v.Int32[1][i]})
		if i != 3 {
			require.Equal(t, float64(i)/4, v.Float64[0][i])
		}
	}
	require.Len(t, v.Float64[0], 2001)

	drops, left := carry(t, p, 20_000, TouchSum)
	require.Len(t, left, 2, "raw pipes and sockets")
	require.Len(t, drops, len(strategies)-2)
	for name, what := range drops {
		require.Empty(t, what, name)
	}
}

// One column is an array of its own type.
func TestFileColumn(t *testing.T) {
	held(t)
	text := "word,x,late\n" + strings.Repeat("a,0.5,\n", 20_000) + "b,7,no number\n"
	o, err := (&Options{File: csvFile(t, "one.csv", text), Sizes: []int64{100, 1000}}).withDefaults()
	require.NoError(t, err)
	require.NoError(t, o.readFile(background()))
	require.Equal(t, 20_001, o.payload.file.Rows)
	require.Equal(t, []FileColumn{{"x", "float64", 0}}, o.payload.file.Columns)
	require.Len(t, o.payload.file.Skipped, 2, "a column that turns out to be text")
	require.Less(t, o.payload.most, 1000, "more than is needed is kept")
	_, left := carry(t, o.payload, 1000, TouchEnds)
	require.Empty(t, left)
	info := o.payload.info(TouchSum)
	require.Equal(t, "File", info.goFunction())
	require.Equal(t, "strategy=value/file=one.csv/dtype=float64/touch=sum/size=1000B", info.goName(valued, 1000))
}

func TestRunFile(t *testing.T) {
	held(t)
	path := arrowFile(t, 100, 1)
	r, err := Run(background(), &Options{File: path, Sizes: []int64{1000}, Strategies: []string{gobReused, shmCopy, inProcess, pipeRaw}, Count: 6})
	require.NoError(t, err)
	requireSchema(t, r)
	require.Equal(t, "a table.arrow", r.Payload.Name)
	require.Len(t, r.Results, 3)
	require.Equal(t, rightAnswer, r.Results[0].Answer)
	require.Less(t, r.Results[0].N, 100)
	require.Contains(t, strings.Join(r.Method.Notes, "\n"), `Column "word" of a table.arrow is left out`)
	var b bytes.Buffer
	require.NoError(t, r.WriteGo(&b))
	require.Contains(t, b.String(), "BenchmarkFile/strategy=gob-reused/file=a_table.arrow/touch=sum/size=")
	b.Reset()
	require.NoError(t, r.WriteTable(&b))
	require.Contains(t, b.String(), " of 100 rows, touch sum")

	var kept bytes.Buffer
	require.NoError(t, r.WriteJSON(&kept))
	old, err := ReadReport(&kept)
	require.NoError(t, err)
	b.Reset()
	require.NoError(t, r.WriteComparison(&b, old))
	require.NotContains(t, b.String(), "payload")
	old.Payload.File.Columns[0].Type = "int8"
	b.Reset()
	require.NoError(t, r.WriteComparison(&b, old))
	require.Contains(t, b.String(), `was a table.arrow of type bench.fileColumns, touch sum, 100 rows of "id" int8`)
}

func TestFileRefused(t *testing.T) {
	held(t)
	damaged, err := os.ReadFile(arrowFile(t, 100, 1))
	require.NoError(t, err)
	numbers := csvFile(t, "numbers.csv", "x,y\n1,2\n3,4\n")
	for _, c := range []struct {
		file  string
		sizes []int64
		want  string
		is    error
	}{
		{file: csvFile(t, "words.csv", "a,b\nx,y\n"), want: `no column holds numbers; column "a" is text`},
		{file: csvFile(t, "header.csv", "a,b\n"), want: "columns and no rows"},
		{file: csvFile(t, "empty.csv", ""), want: "empty"},
		{file: csvFile(t, "cell.csv", "a\n1\nx\n"), want: "is not a number", is: files.ErrCell},
		{file: csvFile(t, "some.txt", "a\n1\n"), want: "unknown file type", is: files.ErrUnsupported},
		{file: csvFile(t, "damaged.arrow", string(damaged[:len(damaged)-100])), is: files.ErrCorrupt},
		{file: filepath.Join(t.TempDir(), "none.arrow"), is: fs.ErrNotExist},
		{file: t.TempDir(), want: "is a directory"},
		{file: numbers, sizes: []int64{64, 1 << 20}, want: "numbers.csv: 1MiB is too large: its columns of numbers take"},
		{file: numbers, sizes: []int64{8}, want: "8B is too small"},
	} {
		r, err := Run(background(), &Options{File: c.file, Sizes: c.sizes, Strategies: []string{inProcess}, Count: 6})
		require.Nil(t, r)
		require.ErrorContains(t, err, c.want, c.file)
		require.True(t, c.is == nil || errors.Is(err, c.is), "%v", err)
	}
	require.ErrorContains(t, (&Options{File: numbers, DType: "int8"}).Validate(), "a dtype and a file")
}
