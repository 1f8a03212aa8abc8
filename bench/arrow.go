package bench

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"example.com/handoff/shm"
)

// arrowTypes are those whose values lie in memory as a slice's.
var arrowTypes = map[shm.DType]arrow.DataType{
	shm.Int8: arrow.PrimitiveTypes.Int8, shm.Int16: arrow.PrimitiveTypes.Int16, shm.Int32: arrow.PrimitiveTypes.Int32, shm.Int64: arrow.PrimitiveTypes.Int64,
	shm.Uint8: arrow.PrimitiveTypes.Uint8, shm.Uint16: arrow.PrimitiveTypes.Uint16, shm.Uint32: arrow.PrimitiveTypes.Uint32, shm.Uint64: arrow.PrimitiveTypes.Uint64,
	shm.Float32: arrow.PrimitiveTypes.Float32, shm.Float64: arrow.PrimitiveTypes.Float64,
}

// arrowRefuses says why a value is no record batch.
func (p *payload) arrowRefuses() string {
	if p.columns == nil {
		return fmt.Sprintf("%s is not made of slices of numbers, which a record batch is", short(p.typ))
	}
	for _, c := range p.columns {
		if arrowTypes[c.dtype] == nil {
			return fmt.Sprintf("Arrow has no primitive type for %v", c.dtype)
		}
	}
	return ""
}

// An arrowFormat sends each value as a record batch of an Arrow IPC stream. A word before it
// says which stream it is of: a new one begins, with its schema, where the number of columns
// is another.
type arrowFormat struct {
	framed
	stream uint64
	counts []int // slices in each column of the value
	schema *arrow.Schema
	out    *ipc.Writer
	in     *ipc.Reader
}

func (f *arrowFormat) write(seq uint64, v any) error {
	parts, counts := buffers(f.p.columns, v), lengths(f.p.columns, v)
	if err := f.writeWord(seq); err != nil {
		return err
	}
	begin := f.out == nil || !slices.Equal(counts, f.counts)
	if begin {
		f.stream, f.counts = f.stream+1, counts
		f.schema = schemaOf(parts)
		f.out = ipc.NewWriter(f.w, ipc.WithSchema(f.schema))
	}
	if err := f.writeWord(f.stream); err != nil {
		return err
	}
	if begin {
		for _, n := range counts {
			if err := f.writeWord(uint64(n)); err != nil {
				return err
			}
		}
	}
	columns := make([]arrow.Array, len(parts))
	for i, b := range parts {
		data := array.NewData(arrowTypes[b.dtype], b.len(), []*memory.Buffer{nil, memory.NewBufferBytes(b.bytes)}, nil, 0, 0)
		columns[i] = array.MakeFromData(data)
	}
	if err := f.out.Write(array.NewRecord(f.schema, columns, int64(parts[0].len()))); err != nil {
		return err
	}
	return f.w.Flush()
}

func schemaOf(parts []buffer) *arrow.Schema {
	fields := make([]arrow.Field, len(parts))
	for i, b := range parts {
		fields[i] = arrow.Field{Name: fmt.Sprintf("%s %d", b.name, i), Type: arrowTypes[b.dtype]}
	}
	return arrow.NewSchema(fields, nil)
}

func (f *arrowFormat) read() (seq uint64, v any, err error) {
	if seq, err = f.readWord(); err != nil {
		return 0, nil, err
	}
	v, err = f.readBatch()
	return seq, v, noEOF(err)
}

func (f *arrowFormat) readBatch() (v any, err error) {
	stream, err := f.readWord()
	if err != nil {
		return nil, err
	}
	if f.in == nil || stream != f.stream {
		f.stream, f.counts = stream, make([]int, len(f.p.columns))
		for i := range f.counts {
			n, err := f.readWord()
			if err != nil {
				return nil, err
			}
			f.counts[i] = int(n)
		}
		if f.in, err = ipc.NewReader(f.r); err != nil {
			return nil, err
		}
	}
	if !f.in.Next() {
		return nil, cmp.Or(f.in.Err(), io.EOF)
	}
	var parts []buffer
	rec := f.in.Record() // valid until the next one
	for _, c := range rec.Columns() {
		buf := c.Data().Buffers()[1]
		parts = append(parts, buffer{bytes: buf.Bytes()[:c.Len()*c.DataType().(arrow.FixedWidthDataType).Bytes()]})
	}
	return assembled(f.p.typ, f.p.columns, f.counts, parts)
}

// unfit says why a value is no record batch, though its type could be one.
func (f *arrowFormat) unfit(v any) string {
	parts := buffers(f.p.columns, v)
	for _, b := range parts {
		if b.len() != parts[0].len() || b.len() == 0 {
			return fmt.Sprintf("its slices have %d and %d elements, expected the same number, above 0, for the columns of a record batch", parts[0].len(), b.len())
		}
	}
	if len(parts) == 0 {
		return "it has no columns"
	}
	return ""
}
