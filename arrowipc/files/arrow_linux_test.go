package files

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
	"os"
	"runtime"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/endian"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"example.com/handoff/arrowipc"
	"example.com/handoff/shm"
)

// withoutContinuation is a stream as it was written before Arrow 0.15.
func withoutContinuation(t testing.TB, stream []byte) (old []byte) {
	t.Helper()
	in := &input{r: bytes.NewReader(stream), size: int64(len(stream))}
	for at := int64(0); ; {
		m, err := readMessage(in, at, in.size)
		require.NoError(t, err)
		if m.endMark {
			return append(old, 0, 0, 0, 0)
		}
		old = append(old, stream[at+4:m.end]...)
		at = m.end
	}
}

func TestArrow(t *testing.T) {
	a, _ := newAllocator(t, 0)
	variants := map[string][]byte{
		"file":          writeFile(t),
		"file/lz4":      writeFile(t, ipc.WithLZ4()),
		"file/zstd":     writeFile(t, ipc.WithZstd()),
		"stream":        writeStream(t),
		"stream/lz4":    writeStream(t, ipc.WithLZ4()),
		"stream/zstd":   writeStream(t, ipc.WithZstd()),
		"stream/legacy": withoutContinuation(t, writeStream(t)),
		"stream/no end": bytes.TrimSuffix(writeStream(t), []byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}),
	}
	for name, content := range variants {
		for chunk, sizes := range map[int][]int{0: {13, 7}, 8: {8, 5, 7}, 5: {5, 5, 3, 5, 2}, 1: nil} {
			t.Run(fmt.Sprintf("%s/chunk=%d", name, chunk), func(t *testing.T) {
				names, cols, got, err := readAll(t, a, newFile(t, "any name", content), &Options{ChunkRows: chunk})
				require.NoError(t, err)
				require.Equal(t, smallNames, names)
				require.Equal(t, smallCells(), cols)
				if sizes != nil {
					require.Equal(t, sizes, got)
				}
			})
		}
	}
}

func TestArrowSkipped(t *testing.T) {
	a, _ := newAllocator(t, 0)
	r, err := Open(shared+"small.arrow", a, nil)
	require.NoError(t, err)
	defer r.Close()
	why := map[string]string{}
	for _, s := range r.Skipped() {
		why[s.Name] = s.Why
	}
	require.Equal(t, map[string]string{
		"day":     "type date is none of int8…uint64, float32, float64",
		"carrier": "type utf8 is none of int8…uint64, float32, float64",
		"parts":   "type struct is none of int8…uint64, float32, float64",
		"kind":    "type dictionary-encoded utf8 is none of int8…uint64, float32, float64",
		"half":    "type float16 is none of int8…uint64, float32, float64",
		"ok":      "type bool is none of int8…uint64, float32, float64",
	}, why)
	require.True(t, r.Schema().Field(0).Nullable)
	require.False(t, r.Schema().Field(1).Nullable)
}

// Records stay good after the Reader is closed, in the middle too.
func TestRecordsOutliveTheReader(t *testing.T) {
	for _, opts := range [][]ipc.Option{nil, {ipc.WithLZ4()}} {
		a, arena := newAllocator(t, 0)
		r, err := Open(newFile(t, "f", writeFile(t, opts...)), a, &Options{ChunkRows: 4})
		require.NoError(t, err)
		var recs []arrow.Record
		for range 2 {
			rec, err := r.Next(context.Background())
			require.NoError(t, err)
			recs = append(recs, rec)
		}
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		_, err = r.Next(context.Background())
		require.ErrorIs(t, err, os.ErrClosed)
		want := smallCells()
		for i, rec := range recs {
			for j, arr := range rec.Columns() {
				require.Equal(t, want[j][i*4:i*4+4], values(t, a, arr))
			}
			rec.Release()
		}
		require.Zero(t, arena.Stats().Live)
	}
}

func TestBigEndian(t *testing.T) {
	a, _ := newAllocator(t, 0)
	schema := arrow.NewSchema([]arrow.Field{smallFields[1], smallFields[5], smallFields[3]}, nil)
	rec := smallBatch(t, arrow.NewSchema(smallFields, nil), 0, smallRows)
	defer rec.Release()
	// The writer marks the file and leaves the bytes alone: they are to be read the other way round.
	marked := schema.WithEndianness(endian.NonNativeEndian)
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(marked))
	part := arrowRecord(marked, rec, 1, 5, 3)
	require.NoError(t, w.Write(part))
	part.Release()
	require.NoError(t, w.Close())

	want := smallCells()
	for i := range smallRows {
		if v, ok := want[0][i].(int16); ok {
			want[0][i] = int16(bits.ReverseBytes16(uint16(v)))
		}
		if v, ok := want[2][i].(uint64); ok {
			want[2][i] = bits.ReverseBytes64(v)
		}
	}
	_, cols, _, err := readAll(t, a, newFile(t, "f", b.Bytes()), &Options{ChunkRows: 7})
	require.NoError(t, err)
	require.Equal(t, []cells{want[0], want[2], want[1]}, cols)
}

func arrowRecord(schema *arrow.Schema, rec arrow.Record, fields ...int) arrow.Record {
	cols := make([]arrow.Array, len(fields))
	for i, f := range fields {
		cols[i] = rec.Column(f)
		cols[i].Retain()
	}
	return newRecord(schema, cols, rec.NumRows())
}

// A file with no column to hand out is checked and gives nothing.
func TestNoNumericColumns(t *testing.T) {
	a, _ := newAllocator(t, 0)
	schema := arrow.NewSchema(smallFields[2:3], nil)
	rec := smallBatch(t, schema, 0, 9)
	defer rec.Release()
	var b bytes.Buffer
	w := ipc.NewWriter(&b, ipc.WithSchema(schema))
	require.NoError(t, w.Write(rec))
	require.NoError(t, w.Close())
	names, _, sizes, err := readAll(t, a, newFile(t, "f", b.Bytes()), nil)
	require.NoError(t, err)
	require.Empty(t, names)
	require.Empty(t, sizes)
	_, _, _, err = readAll(t, a, newFile(t, "f", b.Bytes()[:b.Len()-40]), nil)
	require.ErrorIs(t, err, ErrCorrupt)
}

// A file cut anywhere is refused; a stream may end between two messages.
func TestArrowTruncated(t *testing.T) {
	a, _ := newAllocator(t, 0)
	for _, opts := range [][]ipc.Option{nil, {ipc.WithZstd()}} {
		for content, file := range map[string]bool{
			string(writeFile(t, opts...)): true, string(writeStream(t, opts...)): false,
		} {
			ends := messageEnds(t, []byte(content))
			for n := range len(content) {
				err := readBytes(t, a, []byte(content[:n]))
				if !file && ends[n] {
					require.NoError(t, err, "cut between messages at %d", n)
				} else {
					require.ErrorIs(t, err, ErrCorrupt, "cut at %d", n)
				}
				require.Zero(t, a.Live(), "cut at %d", n)
			}
		}
	}
}

// The same from the disk: every error names the file.
func TestTruncatedFile(t *testing.T) {
	a, _ := newAllocator(t, 0)
	path := newFile(t, "cut.arrow", nil)
	content := fileOf(t, tiny, ipc.WithLZ4())
	for n := range content {
		require.NoError(t, os.WriteFile(path, content[:n], 0o600))
		_, _, _, err := readAll(t, a, path, nil)
		requireRefusal(t, err, path)
	}
}

// messageEnds is where the messages of a stream end.
func messageEnds(t *testing.T, stream []byte) map[int]bool {
	ends := map[int]bool{}
	in := &input{r: bytes.NewReader(stream), size: int64(len(stream))}
	for at := int64(0); ; {
		m, err := readMessage(in, at, in.size)
		if err != nil {
			return ends
		}
		at = m.end
		ends[int(at)] = true
	}
}

// Whatever a byte becomes, the reader reads or refuses, and keeps nothing.
func TestArrowFlippedBytes(t *testing.T) {
	for name, content := range map[string][]byte{
		"file": fileOf(t, tiny), "stream": streamOf(t, tiny), "lz4": fileOf(t, tiny, ipc.WithLZ4()), "zstd": streamOf(t, tiny, ipc.WithZstd()),
		"wide": writeStream(t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := newAllocator(t, 16<<20)
			read, refused := 0, 0
			for i := range content {
				for _, flip := range []byte{0x01, 0x80, 0xFF} {
					if name == "wide" && flip != 0xFF {
						continue // it is long
					}
					content[i] ^= flip
					if err := readBytes(t, a, content); err != nil {
						refused++
					} else {
						read++
					}
					content[i] ^= flip
					require.Zero(t, a.Live(), "byte %d ^ %#x", i, flip)
				}
			}
			require.Positive(t, read)
			require.Positive(t, refused)
		})
	}
}

func TestArrowHostile(t *testing.T) {
	a, arena := newAllocator(t, 1<<20)
	stream, file := writeStream(t), writeFile(t)
	patch := func(b []byte, at int, v any) []byte {
		b = bytes.Clone(b)
		_, err := binary.Encode(b[at:], binary.LittleEndian, v)
		require.NoError(t, err)
		return b
	}
	footer := len(file) - 10 - int(binary.LittleEndian.Uint32(file[len(file)-10:]))
	blocks := bytes.Index(file[footer:], binary.LittleEndian.AppendUint64(nil, uint64(firstBatch(t, file)))) + footer
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"a tree of 2^60 fields":      {treeStream(60), "more than"},
		"a tree deeper than allowed": {treeStream(200), "more than"},
		"metadata longer than file":  {patch(stream, 4, uint32(48<<20)), "truncated"},
		"metadata too long":          {patch(stream, 4, uint32(1<<31)), "at most"},
		"negative length":            {patch(stream, 4, int32(-2)), "at most"},
		"footer longer than file":    {patch(file, len(file)-10, uint32(1<<30)), "footer"},
		"footer of 0 bytes":          {patch(file, len(file)-10, uint32(0)), "footer"},
		"footer is the whole file":   {patch(file, len(file)-10, uint32(len(file)-10)), "footer"},
		"a batch listed again":       {againFile(t), "overlap"},
		"a batch behind the footer":  {patch(file, blocks, int64(len(file)-8)), "before the footer"},
		"a batch before the file":    {patch(file, blocks, int64(-8)), "before the footer"},
		"a batch that is a schema":   {patch(file, blocks, int64(8)), "overlap"},
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t, "hostile.arrow", c.content)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, _, _, err := readAll(t, a, path, nil)
			runtime.ReadMemStats(&after)
			requireRefusal(t, err, path)
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, c.want)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20), "bytes of heap for a small file")
		})
	}
	require.LessOrEqual(t, arena.Stats().HighWater, int64(64<<10))
}

// againFile is a file of one large and two small batches whose footer names the
// large one three times.
func againFile(t *testing.T) []byte {
	schema := arrow.NewSchema([]arrow.Field{smallFields[3]}, nil)
	f, err := os.Create(t.TempDir() + "/out")
	require.NoError(t, err)
	defer f.Close()
	w, err := ipc.NewFileWriter(f, ipc.WithSchema(schema))
	require.NoError(t, err)
	for _, rows := range []int{5000, 1, 1} {
		bld := array.NewInt8Builder(memory.DefaultAllocator)
		bld.AppendValues(make([]int8, rows), nil)
		rec := newRecord(schema, []arrow.Array{bld.NewArray()}, int64(rows))
		require.NoError(t, w.Write(rec))
	}
	require.NoError(t, w.Close())
	b, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	blocks := bytes.LastIndex(b, binary.LittleEndian.AppendUint64(nil, uint64(firstBatch(t, b))))
	copy(b[blocks+24:], b[blocks:blocks+24])
	copy(b[blocks+48:], b[blocks:blocks+24])
	return b
}

// firstBatch is where the file's first record batch starts.
func firstBatch(t *testing.T, file []byte) int64 {
	in := &input{r: bytes.NewReader(file), size: int64(len(file))}
	for at := int64(8); ; {
		m, err := readMessage(in, at, in.size)
		require.NoError(t, err)
		if m.kind == headerBatch {
			return at
		}
		at = m.end
	}
}

// Each lie that a batch can tell about its rows and buffers.
func TestBatchLies(t *testing.T) {
	l := &layout{columns: []column{{name: "a", typ: arrow.PrimitiveTypes.Int64, width: 8, nodes: 1, buffers: 2}}}
	type lie struct {
		rows, length, nulls                      int64
		validOff, validLen, valuesOff, valuesLen int64
	}
	const body = 1024
	parse := func(v lie) (*batch, error) {
		// RecordBatch: vtable at 4, table at 16, nodes at 44, buffers at 64.
		var b []byte
		for _, x := range []any{
			uint32(16), uint16(10), uint16(28), uint16(4), uint16(12), uint16(16), uint16(0),
			uint32(12), v.rows, uint32(44 - 28), uint32(64 - 32), uint64(0),
			uint32(1), v.length, v.nulls,
			uint32(2), v.validOff, v.validLen, v.valuesOff, v.valuesLen,
		} {
			b, _ = binary.Append(b, binary.LittleEndian, x)
		}
		f := &flatbuf{buf: b}
		return parseBatch(&message{header: f.root(), end: body}, l)
	}
	good := lie{100, 100, 1, 0, 16, 64, 800}
	got, err := parse(good)
	require.NoError(t, err)
	require.Equal(t, []batchColumn{{span{64, 800}, span{0, 13}}}, got.cols)
	good.nulls, good.validLen = -1, 0
	_, err = parse(good)
	require.NoError(t, err, "not counted, and no bitmap")

	for name, change := range map[string]func(*lie){
		"negative rows":            func(v *lie) { v.rows, v.length = -1, -1 },
		"another length":           func(v *lie) { v.length = 99 },
		"more nulls than rows":     func(v *lie) { v.nulls = 101 },
		"negative nulls":           func(v *lie) { v.nulls = -2 },
		"rows wrap":                func(v *lie) { v.rows, v.length = math.MaxInt64, math.MaxInt64 },
		"bytes wrap":               func(v *lie) { v.rows, v.length = 1<<61, 1<<61 },
		"many rows":                func(v *lie) { v.rows, v.length = 1<<40, 1<<40 },
		"values too short":         func(v *lie) { v.valuesLen = 799 },
		"values end past the body": func(v *lie) { v.valuesOff = 225 },
		"values at a negative":     func(v *lie) { v.valuesOff = -1 },
		"negative length":          func(v *lie) { v.valuesLen = -1 },
		"offset wraps":             func(v *lie) { v.valuesOff = math.MaxInt64 },
		"bitmap too short":         func(v *lie) { v.validLen = 12 },
		"nulls without a bitmap":   func(v *lie) { v.validLen = 0 },
		"bitmap past the body":     func(v *lie) { v.validOff = body - 12 },
	} {
		v := lie{100, 100, 1, 0, 16, 64, 800}
		change(&v)
		_, err := parse(v)
		require.ErrorIs(t, err, ErrCorrupt, name)
	}
}

// A full arena is no verdict on the file: with room again, nothing is missing.
func TestFullArenaLosesNoRow(t *testing.T) {
	for name, content := range map[string][]byte{
		"f.arrow": writeFile(t), "lz4.arrow": writeFile(t, ipc.WithLZ4()), "f.csv": readFixture(t, "small.csv"),
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := newAllocator(t, 8<<10)
			path := newFile(t, name, content)
			// The arena is cut into blocks of the sizes that are needed, once for all.
			_, want, _, err := readAll(t, a, path, &Options{ChunkRows: 4})
			require.NoError(t, err)

			r, err := Open(path, a, &Options{ChunkRows: 4})
			require.NoError(t, err)
			defer r.Close()
			got, refusals := make([]cells, len(want)), 0
			for {
				taken := takeAll(a)
				rec, err := r.Next(context.Background())
				memory.ReleaseBuffers(taken)
				if err != nil && err != io.EOF {
					require.ErrorIs(t, err, shm.ErrFull)
					refusals++
					rec, err = r.Next(context.Background())
				}
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				for j, arr := range rec.Columns() {
					got[j] = append(got[j], values(t, a, arr)...)
				}
				rec.Release()
			}
			require.Positive(t, refusals)
			require.Equal(t, want, got)
		})
	}
}

// takeAll leaves nothing of a small arena.
func takeAll(a *arrowipc.Allocator) (taken []*memory.Buffer) {
	for n := 8 << 10; n >= 64; n /= 2 {
		for {
			b, err := a.NewBuffer(n)
			if err != nil {
				break
			}
			taken = append(taken, b)
		}
	}
	return taken
}

func readFixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(shared + name)
	require.NoError(t, err)
	return b
}
