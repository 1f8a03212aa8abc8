package batch

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc/files"
)

// A sink writes the output's rows: the file's head, extents of each chunk, and the
// tail, under a temporary name. Disk's goroutine owns it, but for what newSink sets.
//
// The extents follow one another as the chunks were done. That is their order, unless a
// chunk has failed and was done later; then seal puts them in order.
type sink struct {
	temp    *temp
	old     *temp // what temp was before seal has put the extents in order; nil if they were
	format  files.Format
	schema  *arrow.Schema
	encoder *files.Encoder
	off     int64
	extents []extent
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// newSink begins an output, or goes on with one of which the extents are there.
func newSink(t *temp, format files.Format, schema *arrow.Schema, done []extent) (*sink, error) {
	s := &sink{temp: t, format: format, schema: schema}
	var err error
	if s.encoder, err = files.NewEncoder(format, schema); err != nil {
		return nil, err
	}
	slices.SortFunc(done, func(a, b extent) int { return int(min(max(a.off-b.off, -1), 1)) })
	head := s.encoder.Head()
	s.off = int64(len(head))
	for _, x := range done {
		if x.off != s.off || x.len < 0 {
			return nil, fmt.Errorf("%w: rows of the output at byte %d, expected %d", errRecord, x.off, s.off)
		}
		s.off += x.len
	}
	s.extents = done
	if len(done) == 0 {
		if err := t.f.Truncate(0); err != nil {
			return nil, err
		}
		_, err = t.f.WriteAt(head, 0)
		return s, err
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	return s, t.f.Truncate(s.off)
}

// check reads what an earlier run has written.
func (s *sink) check() error {
	head := make([]byte, len(s.encoder.Head()))
	if n, err := s.temp.f.ReadAt(head, 0); err != nil && err != io.EOF {
		return err
	} else if !bytes.Equal(head[:n], s.encoder.Head()) {
		return fmt.Errorf("its first %d bytes are not what was written there: %w", len(head), ErrStartAgain)
	}
	for _, x := range s.extents {
		sum := crc32.New(castagnoli)
		n, err := io.Copy(sum, io.NewSectionReader(s.temp.f, x.off, x.len))
		if err != nil {
			return err
		}
		if n != x.len || sum.Sum32() != x.crc {
			return fmt.Errorf("bytes %d to %d are not what was written there: %w", x.off, x.off+x.len, ErrStartAgain)
		}
	}
	return nil
}

// write writes rows.
func (s *sink) write(ctx context.Context, r outRows) (extent, error) {
	if err := s.temp.untouched(s.off); err != nil {
		return extent{}, err
	}
	w := &sumWriter{f: s.temp.f, off: s.off}
	out := bufio.NewWriterSize(w, 64<<10)
	block, err := s.encode(ctx, out, r)
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return extent{}, err
	}
	x := extent{off: s.off, len: w.off - s.off, crc: w.crc, block: block}
	s.off = w.off
	return x, nil
}

func (s *sink) encode(ctx context.Context, w io.Writer, r outRows) (block files.Block, err error) {
	if r.text != nil {
		text, err := r.text(ctx)
		if err == nil {
			_, err = w.Write(text.Data())
			text.Release()
			return block, err
		}
		if ctx.Err() != nil {
			return block, err
		}
		// Its worker died: the rows are here.
	}
	rec := r.record(s.schema)
	defer rec.Release()
	return s.encoder.WriteChunk(w, rec)
}

// A sumWriter writes from an offset on, and sums up what it writes.
type sumWriter struct {
	f   io.WriterAt
	off int64
	crc uint32
}

func (s *sumWriter) Write(b []byte) (int, error) {
	n, err := s.f.WriteAt(b, s.off)
	s.off += int64(n)
	s.crc = crc32.Update(s.crc, castagnoli, b[:n])
	return n, err
}

// rewind takes back what was written from an offset on: rows of a chunk that was not
// finished, which would be a gap between those that are recorded.
func (s *sink) rewind(from int64) error {
	if s.off == from {
		return nil
	}
	s.off = from
	return s.temp.f.Truncate(from)
}

// seal makes the file whole. next makes a second temporary file, for extents that are
// not in order.
func (s *sink) seal(next func() (*temp, error)) error {
	inOrder := func(a, b extent) int { return int(a.chunk - b.chunk) }
	if !slices.IsSortedFunc(s.extents, inOrder) {
		t, err := next()
		if err != nil {
			return err
		}
		old := s.temp
		slices.SortStableFunc(s.extents, inOrder)
		if err := s.reorder(t); err != nil {
			return errors.Join(err, t.remove())
		}
		s.temp, s.old = t, old // until the journal says that the new one is whole, a later run goes on with the old one
	}
	if err := s.temp.untouched(s.off); err != nil {
		return err
	}
	tail, err := s.encoder.Tail(func(yield func(files.Block) bool) {
		for _, x := range s.extents {
			if !yield(x.block) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if _, err := s.temp.f.WriteAt(tail, s.off); err != nil {
		return err
	}
	return s.temp.f.Sync()
}

func (s *sink) reorder(t *temp) error {
	if err := t.f.Truncate(0); err != nil { // an earlier run's
		return err
	}
	to := &sumWriter{f: t.f}
	if _, err := to.Write(s.encoder.Head()); err != nil {
		return err
	}
	for i, x := range s.extents {
		s.extents[i].off = to.off
		if _, err := io.Copy(to, io.NewSectionReader(s.temp.f, x.off, x.len)); err != nil {
			return err
		}
	}
	if to.off != s.off {
		return fmt.Errorf("%s has %d bytes of rows, expected %d", s.temp.name, to.off, s.off)
	}
	return nil
}
