package batch_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
)

// copiesFile is rows of a float64, of an int16 with nulls, and of text, in one batch.
func copiesFile(t *testing.T, rows int, opts ...ipc.Option) string {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "x", Type: arrow.PrimitiveTypes.Float64}, {Name: "n", Type: arrow.PrimitiveTypes.Int16, Nullable: true}, {Name: "text", Type: arrow.BinaryTypes.String},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range rows {
		b.Field(0).(*array.Float64Builder).Append(float64(i) / 7)
		if i == 3 {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.Int16Builder).Append(int16(i))
		}
		b.Field(2).(*array.StringBuilder).Append("text")
	}
	rec := b.NewRecord()
	defer rec.Release()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, append(opts, ipc.WithSchema(schema))...)
	require.NoError(t, w.Write(rec))
	require.NoError(t, w.Close())
	path := filepath.Join(t.TempDir(), "in.arrows")
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
	return path
}

// Every copy of rows is counted, and nothing else is.
func TestBytesCopied(t *testing.T) {
	const rows, chunk = 800, 200
	const once = rows*8 + rows*2 + rows/8 // what is loaded of copiesFile
	var text strings.Builder
	text.WriteString("x,n,text\n")
	for i := range rows {
		text.WriteString(strconv.Itoa(i) + ",1,a\n")
	}
	csv := filepath.Join(t.TempDir(), "in.csv")
	require.NoError(t, os.WriteFile(csv, []byte(text.String()), 0o600))
	rolled := int64(0) // joined, in chunks of 8 rows with up to 23 ahead
	for tail, row := int64(8), 8; row < rows; row += 8 {
		tail = min(tail, 23-8) + 8
		rolled += tail*(8+2) + (tail+7)/8 // Arrow makes a bitmap for the column that has nulls somewhere
	}
	for name, tt := range map[string]struct {
		input, op, out string
		chunk          int
		want           int64
	}{
		"read":         {copiesFile(t, rows), "describe", "", chunk, once},
		"decompressed": {copiesFile(t, rows, ipc.WithLZ4()), "describe", "", chunk, once},
		"in two goes":  {copiesFile(t, rows), "zscore", "out.arrow", chunk, 2 * once},
		"parsed":       {csv, "describe", "", chunk, 2 * (rows*8 + rows/8)},
		"halo":         {copiesFile(t, rows), "rolling:window=24", "out.arrow", chunk, once}, // slices of the chunk before
		"made CSV":     {copiesFile(t, rows), "zscore", "out.csv", chunk, 2 * once},          // and the text
		"joined":       {copiesFile(t, rows), "rolling:window=24", "out.arrow", 8, once},
	} {
		t.Run(name, func(t *testing.T) {
			job := batch.Job{Inputs: []string{tt.input}, Op: tt.op, ChunkRows: tt.chunk, Pool: pool.Options{Workers: 1, Isolation: pool.Goroutine}}
			if tt.out != "" {
				job.Out = filepath.Join(t.TempDir(), tt.out)
			}
			res, err := batch.Run(background(), job)
			require.NoError(t, err)
			switch name {
			case "made CSV":
				info, err := os.Stat(job.Out)
				require.NoError(t, err)
				tt.want += info.Size() - int64(len("x,n\n"))
			case "joined":
				// Only the tails of the chunks that hold the null have a bitmap.
				require.Greater(t, res.Summary.BytesCopied, tt.want+rolled-rolled/80)
				require.LessOrEqual(t, res.Summary.BytesCopied, tt.want+rolled)
				return
			}
			require.Equal(t, tt.want, res.Summary.BytesCopied)
			require.Equal(t, int64(rows), res.Summary.Rows)
		})
	}
}
