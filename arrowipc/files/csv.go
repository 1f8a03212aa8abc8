package files

import (
	"bufio"
	"context"
	"encoding/csv"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc"
)

// csvSource reads CSV, one record's rows at a time.
type csvSource struct {
	path  string
	in    *input
	alloc *arrowipc.Allocator
	opts  *Options

	limit   *limitReader
	rows    *csv.Reader
	start   int64 // of the file's bytes, what rows counts from
	from    int64 // where the row in hand starts, or blank lines before it
	cols    []csvColumn
	cells   []csvCell // of the row in hand
	fields  *arrow.Schema
	ended   bool
	read    atomic.Int64
	skipMu  sync.Mutex
	skipLog []Skipped
}

type csvColumn struct {
	name  string
	kind  columnKind
	in    bool // the records
	why   string
	shows glimpse // what its kind was told by
	buf   pair    // of the record in the making
	vals  []float64
	bits  []byte
}

type columnKind uint8

const (
	undecided  columnKind = iota // only empty cells so far
	number                       // a cell that is no number is an error
	fewTexts                     // a cell that is a number is an error
	text                         // not looked at
	notAskedOf                   // not looked at either
)

func openCSV(in *input, path string, alloc *arrowipc.Allocator, o *Options) (*csvSource, error) {
	s := &csvSource{path: path, in: in, alloc: alloc, opts: o}
	header, err := s.readHeader()
	if err != nil {
		return nil, err
	}
	s.cols, s.cells = make([]csvColumn, len(header)), make([]csvCell, len(header))
	for i, name := range header {
		s.cols[i] = csvColumn{name: strings.Clone(strings.TrimSpace(name)), in: true}
	}
	if err := s.checkHeader(); err != nil {
		return nil, err
	}
	if err := s.choose(); err != nil {
		return nil, err
	}
	if err := s.readHead(); err != nil {
		return nil, err
	}
	return s, nil
}

// readHeader begins at the file's first byte.
func (s *csvSource) readHeader() ([]string, error) {
	s.limit = &limitReader{r: newQuoteReader(io.NewSectionReader(s.in.r, 0, s.in.size)), rowBytes: s.opts.RowBytes}
	buffered := bufio.NewReaderSize(s.limit, bufferBytes)
	s.start = 0
	if mark, _ := buffered.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		buffered.Discard(len(byteOrderMark))
		s.start = int64(len(byteOrderMark))
	}
	s.rows = csv.NewReader(buffered)
	s.rows.ReuseRecord = true
	s.rows.TrimLeadingSpace = true // also before a quote
	s.rows.FieldsPerRecord = -1    // counted here, to say what was expected
	header, err := s.row()
	if err == io.EOF {
		err = corruptf("no header: nothing but blank lines")
	}
	return header, err
}

const (
	byteOrderMark = "\ufeff"
	bufferBytes   = 64 << 10
)

func (s *csvSource) schema() *arrow.Schema { return s.fields }

func (s *csvSource) done() int64 { return s.read.Load() }

func (s *csvSource) close() {}

func (s *csvSource) skipped() []Skipped {
	s.skipMu.Lock()
	defer s.skipMu.Unlock()
	return append([]Skipped(nil), s.skipLog...)
}

func (s *csvSource) next() (arrow.Record, error) {
	for { // a file without numeric columns is checked and gives nothing
		if rec, err := s.chunk(); rec != nil || err != nil {
			return rec, err
		}
	}
}

// chunk reads the next rows into a record; nil if that has no columns.
func (s *csvSource) chunk() (rec arrow.Record, err error) {
	if s.ended {
		return nil, io.EOF
	}
	defer s.drop()
	room := int(s.room())
	if err := s.prepare(room); err != nil {
		return nil, err // nothing was read yet: the caller may try again
	}
	n, err := s.fill(room, true)
	if err != nil {
		return nil, err
	}
	if s.fields.NumFields() == 0 {
		return nil, nil
	}
	var cols []arrow.Array
	for i := range s.cols {
		if c := &s.cols[i]; c.in {
			s.alloc.CountCopied(int64(n*8 + (n+7)/8))
			cols = append(cols, c.buf.array(arrow.PrimitiveTypes.Float64, 0, n))
		}
	}
	return newRecord(s.fields, cols, int64(n)), nil
}

// fill reads up to room rows, and stores their cells if they are to be kept. The
// error is io.EOF if there were none.
func (s *csvSource) fill(room int, keep bool) (n int, err error) {
	for n < room {
		row, err := s.row()
		if err == io.EOF {
			s.ended = true
			break
		}
		if err == nil {
			err = s.parse(row, keep)
		}
		if err != nil {
			if err = s.bad(err); err != nil {
				return n, err
			}
			continue
		}
		if err := s.store(row, n, keep); err != nil {
			return n, err
		}
		n++
	}
	if s.ended && s.limit.total != s.in.size {
		return n, corruptf("truncated while it was read: %d of %d bytes", s.limit.total, s.in.size)
	}
	if s.ended {
		s.read.Store(s.in.size)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// skip reads the rows of the records that chunk would make.
func (s *csvSource) skip(ctx context.Context, rows int64) error {
	for done := int64(0); done < rows; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := s.pass()
		switch {
		case err == io.EOF:
			return tooFewRows(done, rows)
		case err != nil:
			return err
		case n > rows-done:
			return noBoundary(done, n, rows)
		}
		done += n
	}
	return nil
}

// pass goes past one record and gives its rows.
func (s *csvSource) pass() (int64, error) {
	if s.ended || s.fields.NumFields() == 0 {
		return 0, io.EOF
	}
	n, err := s.fill(int(s.room()), false)
	return int64(n), err
}

// room is how many rows the next record may have. No more are made room for
// than the rest of the file can hold: a row takes a byte for each cell, its
// comma or the end of its line.
func (s *csvSource) room() int64 {
	in := int64(0)
	for i := range s.cols {
		if s.cols[i].in {
			in++
		}
	}
	left := max(s.in.size-s.rows.InputOffset(), 0)/int64(len(s.cols)) + 1
	return min(s.opts.rows(in*8), max(left, minRows))
}

// prepare makes room for rows in the columns of the record.
func (s *csvSource) prepare(rows int) error {
	for i := range s.cols {
		c := &s.cols[i]
		if !c.in {
			continue
		}
		var err error
		if c.buf.values, err = s.alloc.NewBuffer(rows * 8); err != nil {
			return err
		}
		if c.buf.valid, err = s.alloc.NewBuffer((rows + 7) / 8); err != nil {
			return err
		}
		c.bits = c.buf.valid.Bytes()
		clear(c.bits)
		c.vals = arrow.Float64Traits.CastFromBytes(c.buf.values.Bytes())
	}
	return nil
}

// drop gives up what the columns hold of the record in the making.
func (s *csvSource) drop() {
	for i := range s.cols {
		s.cols[i].drop()
	}
}

func (c *csvColumn) drop() {
	c.buf.release()
	c.buf, c.vals, c.bits = pair{}, nil, nil
}
