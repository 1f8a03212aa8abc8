package files

import (
	"context"
	"encoding/binary"
	"io"
	"slices"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc"
)

// arrowSource reads an Arrow IPC file or stream: of each batch only the rows and
// columns asked for, from the file to where they stay. Arrow's own readers load
// whole batches, each column twice, and make room by numbers in the metadata: one
// changed byte there can end the process with "out of memory", which no recover
// catches, and what they panic on they leave unreleased.
type arrowSource struct {
	in    *input
	alloc *arrowipc.Allocator
	opts  *Options
	*layout
	messages func() (*message, error) // the next record batch; io.EOF

	batch    *batch // nil between two
	row      int64  // of batch, the next to hand out
	whole    []pair // of batch, where it is compressed
	decoders decoders
	read     atomic.Int64
}

func (s *arrowSource) schema() *arrow.Schema { return s.layout.arrow }

func (s *arrowSource) done() int64 { return s.read.Load() }

func (s *arrowSource) close() {
	s.drop()
	s.decoders.close()
}

// drop forgets the batch.
func (s *arrowSource) drop() {
	for _, p := range s.whole {
		p.release()
	}
	s.batch, s.row, s.whole = nil, 0, nil
}

func (s *arrowSource) next() (arrow.Record, error) {
	if err := s.find(); err != nil {
		return nil, err
	}
	end := min(s.row+s.opts.rows(s.rowBytes), s.batch.rows)
	rec, err := s.record(s.row, end)
	if err != nil {
		return nil, err
	}
	s.advance(end)
	return rec, nil
}

// find goes to the batch that the next record is of.
func (s *arrowSource) find() error {
	for s.batch == nil {
		m, err := s.messages()
		if err == io.EOF {
			s.read.Store(s.in.size)
		}
		if err != nil {
			return err
		}
		b, err := parseBatch(m.header, s.layout, m.body, m.end-m.body)
		if err != nil {
			return err
		}
		if len(b.cols) > 0 && b.rows > 0 {
			s.batch = b
		}
		s.read.Store(m.body)
	}
	return nil
}

// advance goes to a row of the batch.
func (s *arrowSource) advance(end int64) {
	b := s.batch
	s.row = end
	s.read.Store(b.body + int64(float64(b.bodyLen)*float64(end)/float64(b.rows)))
	if end == b.rows {
		s.drop()
	}
}

// skip reads the metadata of the batches, not their bodies.
func (s *arrowSource) skip(ctx context.Context, rows int64) error {
	for done := int64(0); done < rows; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.find(); err == io.EOF {
			return tooFewRows(done, rows)
		} else if err != nil {
			return err
		}
		n, chunk := s.batch.rows-s.row, s.opts.rows(s.rowBytes)
		if left := rows - done; left < n {
			if left%chunk != 0 {
				return noBoundary(done+left/chunk*chunk, min(chunk, n-left/chunk*chunk), rows)
			}
			n = left
		}
		s.advance(s.row + n)
		done += n
	}
	return nil
}

// openArrowStream reads the schema that a stream begins with.
func openArrowStream(in *input, alloc *arrowipc.Allocator, o *Options) (*arrowSource, error) {
	first, err := readMessage(in, 0, in.size)
	if err != nil {
		return nil, err
	}
	if first == nil || first.kind != headerSchema {
		return nil, corruptf("Arrow stream without a schema")
	}
	l, err := parseSchema(first.header, first.version)
	if err == nil {
		err = l.choose(o.Columns)
	}
	if err != nil {
		return nil, err
	}
	s := &arrowSource{in: in, alloc: alloc, opts: o, layout: l}
	at := first.end
	s.messages = func() (*message, error) {
		for at < in.size {
			m, err := readMessage(in, at, in.size)
			if err != nil {
				return nil, err
			}
			if m == nil {
				return nil, io.EOF
			}
			at = m.end
			switch m.kind {
			case headerBatch:
				return m, nil
			case headerDictionary: // for columns that are skipped
			default:
				return nil, corruptf("Arrow stream: message of kind %d, expected a record batch", m.kind)
			}
		}
		return nil, io.EOF
	}
	return s, nil
}

// openArrowFile reads the footer of a file. It is the table at its end:
// 0 version, 1 schema, 2 dictionaries, 3 record batches (int64 offset,
// int32 length of the metadata, int64 length of the body).
func openArrowFile(in *input, alloc *arrowipc.Allocator, o *Options) (*arrowSource, error) {
	end := make([]byte, tail)
	if err := in.read(end, in.size-tail); err != nil {
		return nil, corruptf("truncated: no Arrow footer")
	}
	if !slices.Equal(end[4:], magic) {
		return nil, corruptf("truncated: the Arrow file ends with %s, expected %s", show(end[4:]), show(magic))
	}
	length := int64(binary.LittleEndian.Uint32(end))
	footer := in.size - tail - length
	if length > maxMetadata || footer < int64(len(magic)) {
		return nil, corruptf("Arrow footer of %d bytes in a file of %d", length, in.size)
	}
	f := &flatbuf{buf: make([]byte, length)}
	if err := in.read(f.buf, footer); err != nil {
		return nil, err
	}
	t := f.root()
	schema, has := t.table(1)
	blocks := t.vector(3, 24)
	if f.bad || !has {
		return nil, corruptf("Arrow footer: no schema, or an offset points outside of it")
	}
	l, err := parseSchema(schema, t.i16(0))
	if err == nil {
		err = l.choose(o.Columns)
	}
	if err != nil {
		return nil, err
	}
	s := &arrowSource{in: in, alloc: alloc, opts: o, layout: l}
	next, sum := 0, int64(0)
	s.messages = func() (*message, error) {
		if next == blocks.n {
			return nil, io.EOF
		}
		i := next
		next++
		at := f.i64(blocks.pos + 24*i)
		if at < int64(len(magic)) || at > footer {
			return nil, corruptf("record batch %d at byte %d, expected it before the footer at %d", i, at, footer)
		}
		m, err := readMessage(in, at, footer)
		if err != nil {
			return nil, err
		}
		if m == nil || m.kind != headerBatch {
			return nil, corruptf("no record batch at byte %d", at)
		}
		// A footer that lists one batch again and again could be read for ever.
		if sum += m.end - at; sum > footer {
			return nil, corruptf("record batches overlap")
		}
		return m, nil
	}
	return s, nil
}
