package files

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// arrowEncoder makes an Arrow IPC file of what Arrow's own writer makes: head and
// footer are those of a file without batches, a block is what its stream writer
// hands to a PayloadWriter, and the footer gets the blocks spliced in.
type arrowEncoder struct {
	schema *arrow.Schema
	head   []byte
	footer footer
	writer *ipc.Writer
	sink   sink
}

// endOfStream stands between the last batch and the footer.
var endOfStream = []byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}

const alignment = 8 // of messages and buffers

func newArrowEncoder(schema *arrow.Schema) (*arrowEncoder, error) {
	var file writeSeeker
	w, err := ipc.NewFileWriter(&file, ipc.WithSchema(schema))
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, err
	}
	end := len(file.b) - int(tail)
	length := int(binary.LittleEndian.Uint32(file.b[end:]))
	e := &arrowEncoder{schema: schema, head: file.b[: end-length : end-length]}
	if e.footer, err = newFooter(file.b[end-length : end]); err != nil {
		return nil, err
	}
	if len(e.head)%alignment != 0 {
		return nil, fmt.Errorf("a head of %d bytes is not aligned", len(e.head))
	}
	e.writer = ipc.NewWriterWithPayloadWriter(&e.sink, ipc.WithSchema(schema))
	return e, nil
}

// write gives Arrow's writer arrays that are as long as their elements: it would
// write what stands beside them too.
func (e *arrowEncoder) write(w io.Writer, rec arrow.Record) (Block, error) {
	n := int(rec.NumRows())
	cols := make([]arrow.Array, 0, len(rec.Columns()))
	defer func() { releaseAll(cols) }()
	for i, arr := range rec.Columns() {
		el, err := elementsOf(arr)
		if err == nil && arr.Len() != n {
			err = corruptf("%d elements in a record of %d rows", arr.Len(), n)
		}
		if err != nil {
			return Block{}, fmt.Errorf("column %d %s: %w", i+1, show(rec.ColumnName(i)), err)
		}
		cols = append(cols, el.array(arr.DataType(), n))
	}
	exact := array.NewRecord(e.schema, cols, int64(n))
	defer exact.Release()
	e.sink.w, e.sink.err, e.sink.block = w, nil, Block{}
	err := e.writer.Write(exact)
	if e.sink.err != nil {
		err = e.sink.err
	}
	e.sink.w = nil
	return e.sink.block, err
}

// array is the elements without what lies around them. Only the bits are copied.
func (el elements) array(typ arrow.DataType, n int) arrow.Array {
	var valid *memory.Buffer
	if el.nulls > 0 {
		bits := make([]byte, (n+7)/8)
		bitutil.CopyBitmap(el.valid, el.off, n, bits, 0)
		valid = memory.NewBufferBytes(bits)
	}
	data := array.NewData(typ, n, []*memory.Buffer{valid, memory.NewBufferBytes(el.values)}, nil, el.nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

// A sink gets the messages of Arrow's writer: the schema, then one for each record.
type sink struct {
	w       io.Writer
	started bool
	block   Block
	err     error
}

func (s *sink) Start() error { return nil }

func (s *sink) Close() error { return nil }

func (s *sink) WritePayload(p ipc.Payload) error {
	if !s.started {
		s.started = true // the schema, which the head holds
		return nil
	}
	s.block, s.err = writePayload(s.w, p)
	return s.err
}

// writePayload writes a message as ipc's file writer does.
func writePayload(w io.Writer, p ipc.Payload) (Block, error) {
	buf := p.Meta()
	defer buf.Release()
	padded := (buf.Len() + alignment - 1) &^ (alignment - 1)
	if padded > maxMetadata {
		return Block{}, unsupportedf("%d bytes of metadata for one chunk, expected at most %d", padded, maxMetadata)
	}
	meta := make([]byte, 8+padded)
	binary.LittleEndian.PutUint32(meta, continuation)
	binary.LittleEndian.PutUint32(meta[4:], uint32(padded))
	copy(meta[8:], buf.Bytes())
	if _, err := w.Write(meta); err != nil {
		return Block{}, err
	}
	body := counter{w: w}
	if err := p.SerializeBody(&body); err != nil {
		return Block{}, err
	}
	if body.n%alignment != 0 {
		return Block{}, fmt.Errorf("a body of %d bytes is not aligned", body.n)
	}
	return Block{Meta: int64(len(meta)), Body: body.n}, nil
}

// A footer is that of a file without batches. Its blocks belong behind the length
// of their vector:
//
//	footer table | 0 | dictionaries, schema
//	footer table | n | n blocks of 24 bytes | dictionaries, schema
//
// The table refers to what moves by offsets from its own fields. A block is a
// multiple of 8 bytes, so that everything stays aligned.
type footer struct {
	empty []byte
	count int    // where the number of blocks stands
	moved [2]int // the table's references to what moves
}

const (
	blockBytes = 24 // int64 offset, int32 length of the metadata, 4 bytes of padding, int64 length of the body
	maxBlocks  = (maxMetadata - 1<<20) / blockBytes
)

func newFooter(empty []byte) (footer, error) {
	f := &flatbuf{buf: empty}
	t := f.root()
	schema, has := t.table(1)
	count, dicts := f.follow(t.at(3)), f.follow(t.at(2))
	if f.bad || !has || t.at(2) == 0 || t.at(3) == 0 || max(t.pos, t.vtab) > count || min(dicts, schema.pos) <= count || f.u32(count) != 0 {
		return footer{}, errors.New("the Arrow library lays its footer out in another way than expected")
	}
	return footer{empty, count, [2]int{t.at(1), t.at(2)}}, nil
}

func (e *arrowEncoder) tail(blocks iter.Seq[Block]) ([]byte, error) {
	var list []byte
	at, n := int64(len(e.head)), 0
	for p := range blocks {
		if n++; n > maxBlocks {
			return nil, unsupportedf("more than %d chunks in one Arrow file; use larger ones", maxBlocks)
		}
		if p.Meta <= 8 || p.Body < 0 || p.Meta > maxMetadata+8 || p.Meta%alignment != 0 || p.Body%alignment != 0 {
			return nil, corruptf("block %d has %d bytes of metadata and %d of body", n, p.Meta, p.Body)
		}
		list = binary.LittleEndian.AppendUint64(list, uint64(at))
		list = binary.LittleEndian.AppendUint64(list, uint64(p.Meta))
		list = binary.LittleEndian.AppendUint64(list, uint64(p.Body))
		if at += p.Len(); at < 0 {
			return nil, corruptf("blocks of more than 2⁶³ bytes")
		}
	}
	f := e.footer
	b := bytes.Clone(endOfStream)
	b = append(b, f.empty[:f.count]...)
	for _, ref := range f.moved {
		field := b[len(endOfStream)+ref:]
		binary.LittleEndian.PutUint32(field, binary.LittleEndian.Uint32(field)+uint32(len(list)))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	b = append(b, list...)
	b = append(b, f.empty[f.count+4:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.empty)+len(list)))
	return append(b, magic...), nil
}

// A counter counts the bytes that pass through.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// A writeSeeker is a file that is written from its beginning to its end.
type writeSeeker struct{ b []byte }

func (f *writeSeeker) Write(b []byte) (int, error) {
	f.b = append(f.b, b...)
	return len(b), nil
}

func (f *writeSeeker) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekCurrent {
		return 0, errors.ErrUnsupported
	}
	return int64(len(f.b)), nil
}
