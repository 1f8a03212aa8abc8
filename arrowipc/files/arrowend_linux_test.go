package files

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/endian"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
)

// Streams with the same columns that lie behind one another are read as one table,
// however each of them was written.
func TestStreamsBehindOneAnother(t *testing.T) {
	a, _ := newAllocator(t, 0)
	plain := writeStream(t)
	content := slices.Concat(plain, writeStream(t, ipc.WithZstd()), withoutContinuation(t, plain), plain)
	want := smallCells()
	for i, c := range want {
		want[i] = slices.Concat(c, c, c, c)
	}
	path := newFile(t, "four.arrows", content)
	names, cols, sizes, err := readAll(t, a, path, nil)
	require.NoError(t, err)
	require.Equal(t, smallNames, names)
	require.Equal(t, want, cols)
	require.Equal(t, []int{13, 7, 13, 7, 13, 7, 13, 7}, sizes)

	r, err := Open(path, a, nil)
	require.NoError(t, err)
	defer r.Close()
	require.NoError(t, r.Skip(context.Background(), 20+13))
	rec, err := r.Next(context.Background())
	require.NoError(t, err)
	require.Equal(t, want[0][33:40], values(t, a, rec.Column(0)))
	rec.Release()
}

// Each stream has a byte order of its own.
func TestStreamsOfOtherByteOrder(t *testing.T) {
	a, _ := newAllocator(t, 0)
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int16}}, nil)
	var content bytes.Buffer
	for _, s := range []*arrow.Schema{schema, schema.WithEndianness(endian.NonNativeEndian), schema} {
		bld := array.NewInt16Builder(memory.DefaultAllocator)
		bld.AppendValues([]int16{1, 2}, nil) // the writer leaves the bytes alone
		rec := newRecord(s, []arrow.Array{bld.NewArray()}, 2)
		w := ipc.NewWriter(&content, ipc.WithSchema(s))
		require.NoError(t, w.Write(rec))
		require.NoError(t, w.Close())
	}
	_, cols, _, err := readAll(t, a, newFile(t, "x.arrows", content.Bytes()), nil)
	require.NoError(t, err)
	require.Equal(t, cells{int16(1), int16(2), int16(256), int16(512), int16(1), int16(2)}, cols[0])
}

// What lies behind the end mark was meant to be read: nothing of it is passed over.
func TestBehindTheEndMark(t *testing.T) {
	a, _ := newAllocator(t, 0)
	nullable := smallFields[1]
	strict := nullable
	strict.Nullable = false
	renamed := nullable
	renamed.Name = "late"
	retyped := nullable
	retyped.Type = arrow.PrimitiveTypes.Float64
	of := func(fields ...arrow.Field) []byte {
		var b bytes.Buffer
		require.NoError(t, ipc.NewWriter(&b, ipc.WithSchema(arrow.NewSchema(fields, nil))).Close())
		return b.Bytes()
	}
	first := of(nullable)
	for name, c := range map[string]struct {
		rest []byte
		want string
	}{
		"a byte":               {[]byte{0}, "is no other one"},
		"zeros":                {make([]byte, 64), "is no other one"},
		"another end mark":     {endOfStream, "is no other one"},
		"junk":                 {bytes.Repeat([]byte{0xA5}, 100), "is no other one"},
		"a file":               {fileOf(t, tiny), "is no other one"},
		"half of a stream":     {first[:len(first)/2], "is no other one"},
		"another name":         {of(renamed), `column 1 is "late", int16 with nulls, expected "delay", int16 with nulls`},
		"another type":         {of(retyped), `column 1 is "delay", float64 with nulls`},
		"without nulls":        {of(strict), `column 1 is "delay", int16, expected`},
		"a column more":        {of(nullable, nullable), "2 of them, expected 1"},
		"a column of text":     {of(arrow.Field{Name: "delay", Type: arrow.BinaryTypes.String}), "type utf8"},
		"no column":            {of(), "0 of them, expected 1"},
		"a stream, then bytes": {append(slices.Clip(first), 1, 2, 3), "is no other one"},
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t, "x.arrows", slices.Concat(first, c.rest))
			_, _, _, err := readAll(t, a, path, nil)
			requireRefusal(t, err, path)
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// A stream may end without its end mark, as the format allows, and that is told.
func TestCut(t *testing.T) {
	a, _ := newAllocator(t, 0)
	stream := writeStream(t)
	open := bytes.TrimSuffix(stream, endOfStream)
	for name, c := range map[string]struct {
		content []byte
		want    bool
	}{
		"stream": {stream, false}, "open": {open, true}, "two": {slices.Concat(stream, stream), false},
		"the second open": {slices.Concat(stream, open), true}, "file": {writeFile(t), false},
	} {
		r, err := Open(newFile(t, "x", c.content), a, nil)
		require.NoError(t, err)
		require.False(t, r.Cut(), name)
		for {
			rec, err := r.Next(context.Background())
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			rec.Release()
		}
		require.Equal(t, c.want, r.Cut(), name)
		require.NoError(t, r.Close())
		require.Equal(t, c.want, r.Cut(), name)
	}
}

// Of two files put together the second footer counts, and means places in the second
// file; a footer that lists fewer batches than there are leaves rows out.
func TestFooterIsTheWholeFile(t *testing.T) {
	a, _ := newAllocator(t, 0)
	schema := numericSchema(2)
	var recs []arrow.Record
	for i := range 3 {
		recs = append(recs, newRecordOf(schema, 100, uint64(i), anyEdge))
	}
	defer release(recs)
	file, blocks := encode(t, Arrow, schema, recs...)
	e, err := NewEncoder(Arrow, schema)
	require.NoError(t, err)
	rows := len(e.Head())
	for _, p := range blocks {
		rows += int(p.Len())
	}
	tail := func(blocks ...Block) []byte {
		b, err := e.Tail(slices.Values(blocks))
		require.NoError(t, err)
		return b
	}
	require.Equal(t, file, slices.Concat(file[:rows], tail(blocks...)))
	first := firstBatch(t, file)
	second := bytes.Replace(tail(blocks[1]), binary.LittleEndian.AppendUint64(nil, uint64(first)), binary.LittleEndian.AppendUint64(nil, uint64(first+blocks[0].Len())), 1)
	for name, content := range map[string][]byte{
		"two files":             slices.Concat(file, file),
		"bytes behind the mark": slices.Concat(file[:rows], endOfStream, make([]byte, 100), tail(blocks...)),
		"the last left out":     slices.Concat(file[:rows], tail(blocks[:2]...)),
		"all left out":          slices.Concat(file[:rows], tail()),
		"the middle alone":      slices.Concat(file[:rows], second),
	} {
		path := newFile(t, "x.arrow", content)
		_, _, _, err := readAll(t, a, path, nil)
		requireRefusal(t, err, path)
		require.ErrorIs(t, err, ErrCorrupt, name)
		require.ErrorContains(t, err, "belong to nothing that the Arrow footer lists", name)
	}
}

// Writers of Arrow 0.14 leave the version out of the footer.
func TestFooterWithoutVersion(t *testing.T) {
	a, _ := newAllocator(t, 0)
	file := writeFile(t)
	at := len(file) - int(tail)
	at -= int(binary.LittleEndian.Uint32(file[at:]))
	table := (&flatbuf{buf: file[at:]}).root()
	require.NotZero(t, table.at(0))
	binary.LittleEndian.PutUint16(file[at+table.vtab+4:], 0)
	_, cols, _, err := readAll(t, a, newFile(t, "x.arrow", file), nil)
	require.NoError(t, err)
	require.Equal(t, smallCells(), cols)

	// Nothing depends on the version where there is no batch.
	empty, _ := encode(t, Arrow, numericSchema(2))
	at = len(empty) - int(tail)
	at -= int(binary.LittleEndian.Uint32(empty[at:]))
	table = (&flatbuf{buf: empty[at:]}).root()
	binary.LittleEndian.PutUint16(empty[at+table.vtab+4:], 0)
	_, _, sizes, err := readAll(t, a, newFile(t, "x.arrow", empty), nil)
	require.NoError(t, err)
	require.Empty(t, sizes)
}

// A batch of another version than its schema has other buffers where there is a union.
func TestVersionOfABatch(t *testing.T) {
	m := &message{version: version4, header: fbTable{f: &flatbuf{}}}
	_, err := parseBatch(m, &layout{version: version5})
	require.ErrorIs(t, err, ErrCorrupt)
}
