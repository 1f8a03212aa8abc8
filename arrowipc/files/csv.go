package files

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/bitutil"

	"example.com/handoff/arrowipc"
)

// csvSource reads CSV, one record's rows at a time.
type csvSource struct {
	path  string
	size  int64
	alloc *arrowipc.Allocator
	opts  *Options

	limit   *limitReader
	rows    *csv.Reader
	cols    []csvColumn
	fields  *arrow.Schema // nil until the first record settles it
	first   arrow.Record  // read when the file was opened; nil if there was none
	ended   bool
	read    atomic.Int64
	skipMu  sync.Mutex
	skipLog []Skipped
}

// A csvColumn is undecided until its first cell that is not empty.
type csvColumn struct {
	name string
	kind columnKind
	in   bool // the records: false for what the first record showed to be text
	why  string
	buf  pair // of the record in the making
	vals []float64
	bits []byte
}

type columnKind uint8

const (
	undecided columnKind = iota
	number
	text
)

func openCSV(f io.Reader, size int64, path string, alloc *arrowipc.Allocator, o *Options) (*csvSource, error) {
	s := &csvSource{path: path, size: size, alloc: alloc, opts: o, limit: &limitReader{r: f, rowBytes: o.RowBytes}}
	buffered := bufio.NewReaderSize(s.limit, bufferBytes)
	if mark, _ := buffered.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		buffered.Discard(len(byteOrderMark))
	}
	s.rows = csv.NewReader(buffered)
	s.rows.ReuseRecord = true
	s.rows.TrimLeadingSpace = true // also before a quote
	s.rows.FieldsPerRecord = -1    // counted here, to say what was expected

	header, err := s.row()
	if err == io.EOF {
		return nil, corruptf("no header: nothing but blank lines")
	}
	if err != nil {
		return nil, err
	}
	s.cols = make([]csvColumn, len(header))
	for i, name := range header {
		s.cols[i] = csvColumn{name: strings.Clone(strings.TrimSpace(name)), in: true}
	}
	if s.first, err = s.chunk(); err != nil && err != io.EOF {
		return nil, err
	}
	return s, nil
}

const (
	byteOrderMark = "\ufeff"
	bufferBytes   = 64 << 10
)

func (s *csvSource) schema() *arrow.Schema { return s.fields }

func (s *csvSource) done() int64 { return s.read.Load() }

func (s *csvSource) close() {
	if s.first != nil {
		s.first.Release()
		s.first = nil
	}
}

func (s *csvSource) skipped() []Skipped {
	s.skipMu.Lock()
	defer s.skipMu.Unlock()
	return append([]Skipped(nil), s.skipLog...)
}

func (s *csvSource) next() (arrow.Record, error) {
	if rec := s.first; rec != nil {
		s.first = nil
		return rec, nil
	}
	for { // a file without numeric columns is checked and gives nothing
		if rec, err := s.chunk(); rec != nil || err != nil {
			return rec, err
		}
	}
}

// chunk reads the next rows into a record; nil if that has no columns. The first
// chunk settles the schema.
func (s *csvSource) chunk() (rec arrow.Record, err error) {
	if s.ended {
		return nil, io.EOF
	}
	defer s.drop()
	room := s.room()
	if err := s.prepare(int(room)); err != nil {
		return nil, err // nothing was read yet: the caller may try again
	}
	n := 0
	for n < int(room) {
		row, err := s.row()
		if err == io.EOF {
			s.ended = true
			break
		}
		if err == nil {
			err = s.put(row, n)
		}
		if err != nil {
			return nil, err
		}
		n++
	}
	s.settle()
	if s.ended && s.limit.total != s.size {
		return nil, corruptf("changed while it was read: %d bytes when it was opened, %d now", s.size, s.limit.total)
	}
	if s.ended {
		s.read.Store(s.size)
	}
	if n == 0 {
		return nil, io.EOF
	}
	if s.fields.NumFields() == 0 {
		return nil, nil
	}
	var cols []arrow.Array
	for i := range s.cols {
		if c := &s.cols[i]; c.in {
			cols = append(cols, c.buf.array(arrow.PrimitiveTypes.Float64, 0, n))
		}
	}
	return newRecord(s.fields, cols, int64(n)), nil
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
	left := max(s.size-s.rows.InputOffset(), 0)/int64(len(s.cols)) + 1
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

// settle takes the columns of the first record for those of all.
func (s *csvSource) settle() {
	if s.fields != nil {
		return
	}
	var fields []arrow.Field
	for i := range s.cols {
		if c := &s.cols[i]; c.in {
			fields = append(fields, arrow.Field{Name: c.name, Type: arrow.PrimitiveTypes.Float64, Nullable: true})
		}
	}
	s.fields = arrow.NewSchema(fields, nil)
}

// put stores the row's cells as row n of the record.
func (s *csvSource) put(row []string, n int) error {
	if len(row) != len(s.cols) {
		return &RowError{Path: s.path, Line: s.line(0), Reason: fmt.Sprintf("expected %d fields, found %d", len(s.cols), len(row))}
	}
	for i, cell := range row {
		c := &s.cols[i]
		if c.kind == text {
			if c.in { // since a later record
				c.vals[n] = 0
			}
			continue
		}
		cell = strings.TrimSpace(cell)
		if cell == "" {
			c.vals[n] = 0
			continue
		}
		v, err := parseNumber(cell)
		switch {
		case err == nil:
			c.kind = number
			c.vals[n] = v
			bitutil.SetBit(c.bits, n)
		case c.kind == undecided && errors.Is(err, errNotNumber):
			c.vals[n] = 0
			s.becomeText(c, cell, s.line(i))
		default:
			return &RowError{Path: s.path, Line: s.line(i), Column: i + 1, Err: err,
				Reason: fmt.Sprintf("column %d %s: %s %v", i+1, show(c.name), show(cell), err)}
		}
	}
	return nil
}

// becomeText takes the column out of the records, if none was handed out yet.
func (s *csvSource) becomeText(c *csvColumn, cell string, line int) {
	c.kind = text
	c.why = fmt.Sprintf("text: its first value is %s in line %d", show(cell), line)
	if s.fields == nil {
		c.in = false
		c.drop()
	}
	s.skipMu.Lock()
	defer s.skipMu.Unlock()
	s.skipLog = s.skipLog[:0:0]
	fields := 0
	for i := range s.cols {
		c, field := &s.cols[i], -1
		if c.in {
			field = fields
			fields++
		}
		if c.kind == text {
			s.skipLog = append(s.skipLog, Skipped{c.name, c.why, field})
		}
	}
}

// row is the next row, good until the next call. Errors name the line.
func (s *csvSource) row() ([]string, error) {
	s.limit.nextRow()
	row, err := s.rows.Read()
	s.read.Store(s.rows.InputOffset())
	if err != nil && err != io.EOF {
		err = s.rowError(row, err)
	}
	return row, err
}

// rowError says where the row is that encoding/csv could not read, or only in part.
func (s *csvSource) rowError(row []string, err error) error {
	var long *longRowError
	if errors.As(err, &long) {
		line := 1
		if len(row) > 0 {
			line = s.line(0)
		}
		return &RowError{Path: s.path, Line: line, Reason: long.Error(), Err: err}
	}
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	e := &RowError{Path: s.path, Line: parse.Line, Err: parse.Err}
	e.Reason = fmt.Sprintf("%v at byte %d of the line", parse.Err, parse.Column)
	if parse.StartLine != parse.Line {
		e.Reason += fmt.Sprintf(", in a row that starts in line %d", parse.StartLine)
	}
	return e
}

func (s *csvSource) line(field int) int {
	line, _ := s.rows.FieldPos(field)
	return line
}
