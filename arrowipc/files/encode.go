package files

import (
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/bitutil"

	"example.com/handoff/arrowipc"
)

// A Format is a kind of file that an [Encoder] makes.
type Format string

const (
	Arrow Format = "arrow" // an Arrow IPC file, with a footer
	CSV   Format = "csv"
)

// FormatOf tells the format of a file to be written by its extension, in any
// case: .csv is CSV; .arrow, .feather and .ipc are Arrow. The error wraps
// [ErrUnsupported].
func FormatOf(path string) (Format, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".csv":
		return CSV, nil
	case ".arrow", ".feather", ".ipc":
		return Arrow, nil
	}
	return "", &fileError{path, "unknown file type to write; name it .csv for CSV, or .arrow, .feather or .ipc for an Arrow IPC file", ErrUnsupported}
}

// An Encoder makes the bytes of one file, a chunk at a time. The file is the head,
// one block for each chunk, the tail:
//
//	Head | block | block | … | Tail
//
// A block depends on nothing but its chunk, the head on the schema, the tail on
// both and the lengths of the blocks. So a writer that was killed goes on, with a
// new Encoder, after the last block whose length it has kept.
//
// An Encoder is used by one goroutine. It holds no file and needs no Close.
type Encoder struct {
	schema *arrow.Schema
	head   []byte
	arrow  *arrowEncoder // nil: CSV
	csv    []byte        // the last block, for its room
}

// A Block is the length of what WriteChunk wrote, in bytes.
type Block struct {
	Meta int64 `json:"meta,omitempty"` // of Arrow's metadata; 0 for CSV
	Body int64 `json:"body"`
}

// Len returns the bytes of the whole block.
func (p Block) Len() int64 { return p.Meta + p.Body }

// NewEncoder makes an Encoder for records of that schema, which has at least one
// column, all of them of the types that a Reader hands out. For Arrow the names
// must be UTF-8. The error wraps [ErrUnsupported].
//
// Whether a column is nullable is the caller's word: it is written, not checked.
func NewEncoder(format Format, schema *arrow.Schema) (*Encoder, error) {
	if schema.NumFields() == 0 {
		return nil, fmt.Errorf("files: encode: %w", unsupportedf("a table without columns"))
	}
	if !schema.IsNativeEndian() {
		return nil, fmt.Errorf("files: encode: %w", unsupportedf("a schema with the byte order of another machine"))
	}
	for i, f := range schema.Fields() {
		if !isNumeric(f.Type) {
			return nil, fmt.Errorf("files: encode: %w", unsupportedf("column %d %s: type %v is none of int8…uint64, float32, float64", i+1, show(f.Name), f.Type))
		}
		if format == Arrow && !utf8.ValidString(f.Name) {
			return nil, fmt.Errorf("files: encode: %w", unsupportedf("column %d: the name %s is not UTF-8, as Arrow wants it", i+1, show(f.Name)))
		}
	}
	e := &Encoder{schema: schema}
	var err error
	switch format {
	case Arrow:
		if e.arrow, err = newArrowEncoder(schema); err == nil {
			e.head = e.arrow.head
		}
	case CSV:
		e.head, err = csvHeader(schema)
	default:
		err = unsupportedf("format %q, expected %q or %q", format, Arrow, CSV)
	}
	if err != nil {
		return nil, fmt.Errorf("files: encode: %w", err)
	}
	return e, nil
}

// Head returns the bytes that the file begins with. They must not be changed.
func (e *Encoder) Head() []byte { return e.head }

// WriteChunk writes the block of rec to w and says how long it is. An Arrow
// file's values go to w straight from the arrays' memory, several writes a block
// (give it a [bufio.Writer] if those are dear); CSV is written at once. The block
// depends on the record's elements alone, and on what stands in the place of an
// Arrow array's nulls, not on how the arrays lie in memory.
//
// The record stays the caller's and must not change meanwhile. After an error of
// w, which is wrapped, w may have got a part of the block; the Encoder is as
// before.
func (e *Encoder) WriteChunk(w io.Writer, rec arrow.Record) (Block, error) {
	if err := e.check(rec); err != nil {
		return Block{}, fmt.Errorf("files: encode: %w", err)
	}
	if e.arrow != nil {
		p, err := e.arrow.write(w, rec)
		if err != nil {
			return Block{}, fmt.Errorf("files: encode: %w", err)
		}
		return p, nil
	}
	block, err := AppendCSV(e.csv[:0], rec)
	if err != nil {
		return Block{}, err
	}
	e.csv = block
	if _, err := w.Write(block); err != nil {
		return Block{}, fmt.Errorf("files: encode: %w", err)
	}
	return Block{Body: int64(len(block))}, nil
}

// Tail returns the bytes that the file ends with, given all its blocks in the order in
// which they follow the head. An Arrow file takes up to about 2.7 million blocks.
func (e *Encoder) Tail(blocks iter.Seq[Block]) ([]byte, error) {
	if e.arrow == nil {
		return nil, nil
	}
	tail, err := e.arrow.tail(blocks)
	if err != nil {
		return nil, fmt.Errorf("files: encode: %w", err)
	}
	return tail, nil
}

// check holds a record against the schema.
func (e *Encoder) check(rec arrow.Record) error {
	want, got := e.schema.Fields(), rec.Schema().Fields()
	if len(want) != len(got) {
		return fmt.Errorf("a record of %d columns, expected %d", len(got), len(want))
	}
	for i := range want {
		if want[i].Name != got[i].Name || want[i].Type.ID() != got[i].Type.ID() {
			return fmt.Errorf("a record with column %d %s of type %v, expected %s of %v", i+1, show(got[i].Name), got[i].Type, show(want[i].Name), want[i].Type)
		}
	}
	return nil
}

func isNumeric(t arrow.DataType) bool {
	_, ok := arrowipc.DTypeOf(t)
	return ok
}

// elements are a numeric array's values and validity bits, cut out of its buffers.
type elements struct {
	values []byte
	valid  []byte // nil without nulls
	off    int    // the bit of valid that is element 0
	nulls  int
}

// elementsOf believes nothing that the array says of its buffers: they may have
// come from another process.
func elementsOf(arr arrow.Array) (e elements, err error) {
	data := arr.Data()
	n, off, width := data.Len(), data.Offset(), arr.DataType().(arrow.FixedWidthDataType).Bytes()
	bufs := data.Buffers()
	const most = int(^uint(0)>>1) / 16
	if n < 0 || off < 0 || n > most || off > most || len(bufs) != 2 {
		return e, corruptf("an array of %d elements at offset %d in %d buffers", n, off, len(bufs))
	}
	if n == 0 {
		return e, nil
	}
	if bufs[1] == nil || bufs[1].Len() < (off+n)*width {
		return e, corruptf("an array of %d elements at offset %d whose buffer ends before", n, off)
	}
	e.values = bufs[1].Bytes()[off*width : (off+n)*width]
	if bufs[0] == nil || bufs[0].Len() == 0 {
		return e, nil
	}
	valid := bufs[0].Bytes()
	if len(valid) < (off+n+7)/8 {
		return e, corruptf("an array of %d elements at offset %d whose validity bitmap ends before", n, off)
	}
	if e.nulls = n - bitutil.CountSetBits(valid, off, n); e.nulls > 0 {
		e.valid, e.off = valid, off
	}
	return e, nil
}
