package files

import (
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"example.com/handoff/arrowipc"
)

// A pair is a numeric column's two buffers; without nulls there is no bitmap.
type pair struct{ valid, values *memory.Buffer }

func (p pair) release() {
	for _, b := range []*memory.Buffer{p.valid, p.values} {
		if b != nil {
			b.Release()
		}
	}
}

// array is the n elements from element off on. The pair remains the caller's.
func (p pair) array(typ arrow.DataType, off, n int) arrow.Array {
	nulls := 0
	if p.valid != nil {
		nulls = n - bitutil.CountSetBits(p.valid.Bytes(), off, n)
	}
	valid := p.valid
	if nulls == 0 {
		valid = nil
	}
	data := array.NewData(typ, n, []*memory.Buffer{valid, p.values}, nil, nulls, off)
	defer data.Release()
	return array.MakeFromData(data)
}

// newRecord takes the arrays over.
func newRecord(schema *arrow.Schema, cols []arrow.Array, rows int64) arrow.Record {
	defer releaseAll(cols)
	return array.NewRecord(schema, cols, rows)
}

func releaseAll(cols []arrow.Array) {
	for _, c := range cols {
		c.Release()
	}
}

// record is the rows from first to end of the batch.
func (s *arrowSource) record(first, end int64) (arrow.Record, error) {
	fields := s.layout.arrow.Fields()
	cols := make([]arrow.Array, 0, len(fields))
	for i, field := range fields {
		p, off, err := s.load(i, field.Type, first, end)
		if err != nil {
			releaseAll(cols)
			return nil, fmt.Errorf("column %s: %w", show(field.Name), err)
		}
		cols = append(cols, p.array(field.Type, off, int(end-first)))
		p.release()
	}
	return newRecord(s.layout.arrow, cols, end-first), nil
}

// load is column i with the rows from first to end, at element off of the pair,
// which the caller releases.
func (s *arrowSource) load(i int, typ arrow.DataType, first, end int64) (p pair, off int, err error) {
	b, col := s.batch, s.batch.cols[i]
	width := int64(typ.(arrow.FixedWidthDataType).Bytes())
	if b.codec != uncompressed {
		if i == len(s.whole) {
			if p, err = s.decode(col, width); err != nil {
				return p, 0, err
			}
			s.whole = append(s.whole, p)
		}
		p = s.whole[i]
		for _, buf := range []*memory.Buffer{p.valid, p.values} {
			if buf != nil {
				buf.Retain()
			}
		}
		return p, int(first), nil
	}
	from := first
	if col.valid.n > 0 { // both buffers start with the row of a whole byte of bits
		from = first &^ 7
		p.valid, err = s.fetch(span{col.valid.off + from/8, (end+7)/8 - from/8})
	}
	if err == nil {
		p.values, err = s.fetch(span{col.values.off + from*width, (end - from) * width})
	}
	if err != nil {
		p.release()
		return pair{}, 0, err
	}
	s.toNative(p.values, width)
	return p, int(first - from), nil
}

// fetch reads a part of the body into the arena.
func (s *arrowSource) fetch(part span) (*memory.Buffer, error) {
	return fill(s.alloc, part.n, func(dst []byte) error { return s.in.read(dst, s.batch.body+part.off) })
}

// decode decompresses a column into the arena, whole: frames are read from their
// beginning only.
func (s *arrowSource) decode(col batchColumn, width int64) (p pair, err error) {
	expand := func(part span, need int64) (*memory.Buffer, error) {
		return fill(s.alloc, need, func(dst []byte) error {
			return s.decoders.decode(s.batch.codec, dst, io.NewSectionReader(s.in.r, s.batch.body+part.off, part.n))
		})
	}
	if col.valid.n > 0 {
		if p.valid, err = expand(col.valid, (s.batch.rows-1)/8+1); err != nil {
			return pair{}, err
		}
	}
	if p.values, err = expand(col.values, s.batch.rows*width); err != nil {
		p.release()
		return pair{}, err
	}
	s.toNative(p.values, width)
	return p, nil
}

// fill is a new buffer of n bytes, filled by f: what the file costs in copies.
func fill(alloc *arrowipc.Allocator, n int64, f func([]byte) error) (*memory.Buffer, error) {
	if n != int64(int(n)) {
		return nil, unsupportedf("%d bytes in one column", n)
	}
	b, err := alloc.NewBuffer(int(n))
	if err != nil {
		return nil, err
	}
	if err := f(b.Bytes()); err != nil {
		b.Release()
		return nil, err
	}
	alloc.CountCopied(n)
	return b, nil
}

// toNative turns the values of a file with the other byte order around.
func (s *arrowSource) toNative(b *memory.Buffer, width int64) {
	if !s.batch.bigEndian || width == 1 {
		return
	}
	for value := range slices.Chunk(b.Bytes(), int(width)) {
		slices.Reverse(value)
	}
}
