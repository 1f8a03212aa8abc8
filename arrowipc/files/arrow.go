package files

import (
	"context"
	"io"
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
	in      *input
	alloc   *arrowipc.Allocator
	opts    *Options
	*layout // of the records
	batches batchSource
	cut     atomic.Bool // the last stream has ended without its end mark

	batch    *batch // nil between two
	row      int64  // of batch, the next to hand out
	whole    []pair // of batch, where it is compressed
	decoders decoders
	read     atomic.Int64
}

// batchSource finds the record batches of a file, and the layout that each is of:
// streams that follow one another may differ in what does not show in the records.
type batchSource interface {
	next() (*message, *layout, error) // io.EOF at the end
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
		m, l, err := s.batches.next()
		if err == io.EOF {
			s.read.Store(s.in.size)
		}
		if err != nil {
			return err
		}
		b, err := parseBatch(m, l)
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
