package files

// A batch is a record batch's metadata, checked: every buffer lies in the body
// and holds what the rows need.
type batch struct {
	rows      int64
	body      int64 // where the body starts in the file
	bodyLen   int64
	codec     codec
	bigEndian bool
	cols      []batchColumn // the numeric columns
}

type batchColumn struct {
	values, valid span // valid has no length where there are no nulls
}

// span is a range of bytes of a batch's body.
type span struct{ off, n int64 }

// Kinds of message header.
const (
	headerSchema     = 1
	headerDictionary = 2
	headerBatch      = 3
)

// parseBatch reads a RecordBatch table: 0 length, 1 nodes (int64 length, int64
// null count), 2 buffers (int64 offset, int64 length), 3 compression, 4 numbers
// of further buffers. The message's body is known to lie in the file.
func parseBatch(m *message, l *layout) (*batch, error) {
	if m.version != l.version { // which buffers a union has depends on it
		return nil, corruptf("record batch of metadata version %d behind a schema of version %d", int(m.version)+1, int(l.version)+1)
	}
	t := m.header
	b := &batch{rows: t.i64(0), body: m.body, bodyLen: m.end - m.body, codec: uncompressed, bigEndian: l.bigEndian}
	if compression, has := t.table(3); has { // 0 codec, 1 method
		if b.codec = codec(compression.u8(0)); b.codec > zstdFrame || compression.u8(1) != 0 {
			return nil, unsupportedf("record batch: compression %d", b.codec)
		}
	}
	nodes, buffers, views := t.vector(1, 16), t.vector(2, 16), t.vector(4, 8)
	if t.f.bad || b.rows < 0 {
		return nil, corruptf("record batch: %d rows, or an offset points outside of the metadata", b.rows)
	}
	node, buffer, view, used := 0, 0, 0, int64(0)
	for i := range l.columns {
		c := &l.columns[i]
		firstBuffer := buffer
		node, buffer = node+c.nodes, buffer+c.buffers
		for range c.views {
			if view == views.n {
				return nil, corruptf("record batch: column %s: missing number of buffers", show(c.name))
			}
			more := t.f.i64(views.pos + 8*view)
			if view++; more < 0 || more > int64(buffers.n) {
				return nil, corruptf("record batch: column %s: %d further buffers", show(c.name), more)
			}
			buffer += int(more)
		}
		if node > nodes.n || buffer > buffers.n {
			return nil, corruptf("record batch: column %s: %d nodes and %d buffers, expected at least %d and %d", show(c.name), nodes.n, buffers.n, node, buffer)
		}
		if c.typ == nil {
			continue
		}
		at := nodes.pos + 16*(node-1) // a number is one node
		col, err := b.column(c, t.f.i64(at), t.f.i64(at+8), t.f.buf[buffers.pos+16*firstBuffer:])
		if err != nil {
			return nil, err
		}
		// Disjoint buffers, as writers make them, are no more than the body; a
		// body that is referred to again and again could be read for ever.
		if used += col.values.n + col.valid.n; used > b.bodyLen {
			return nil, corruptf("record batch: buffers overlap")
		}
		b.cols = append(b.cols, col)
	}
	return b, nil
}

// column checks one numeric column against the batch. The two buffers are the
// first 32 bytes of buffers.
func (b *batch) column(c *column, length, nulls int64, buffers []byte) (col batchColumn, err error) {
	if length != b.rows || nulls > length || nulls < -1 { // -1: not counted
		return col, corruptf("record batch: column %s: %d rows with %d nulls in a batch of %d", show(c.name), length, nulls, b.rows)
	}
	if length == 0 {
		return col, nil
	}
	f := flatbuf{buf: buffers}
	valid, values := span{f.i64(0), f.i64(8)}, span{f.i64(16), f.i64(24)}
	needBits, needBytes := (length-1)/8+1, length*c.width
	if length > 1<<59 {
		return col, corruptf("record batch: column %s: %d rows", show(c.name), length)
	}
	if nulls == 0 || nulls == -1 && valid.n == 0 {
		valid = span{}
	} else if valid, err = b.buffer(valid, needBits); err != nil {
		return col, corruptf("record batch: column %s: validity bitmap: %v", show(c.name), err)
	}
	if values, err = b.buffer(values, needBytes); err != nil {
		return col, corruptf("record batch: column %s: values: %v", show(c.name), err)
	}
	return batchColumn{values, valid}, nil
}

// buffer checks a buffer that must give need bytes; without compression the rest
// is cut off.
func (b *batch) buffer(s span, need int64) (span, error) {
	if s.off < 0 || s.n < 0 || s.off > b.bodyLen || s.n > b.bodyLen-s.off {
		return s, corruptf("%d bytes at byte %d of a body of %d", s.n, s.off, b.bodyLen)
	}
	if b.codec != uncompressed {
		return s, b.codec.check(s.n, need)
	}
	if s.n < need {
		return s, corruptf("%d bytes, expected at least %d", s.n, need)
	}
	return span{s.off, need}, nil
}
