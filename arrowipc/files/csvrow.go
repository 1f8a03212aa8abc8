package files

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow/go/v15/arrow/bitutil"
)

// A csvCell is what a cell of the row in hand holds. It counts only once the
// whole row is known to be good.
type csvCell struct {
	is    cellKind
	value float64
}

type cellKind uint8

const (
	passed cellKind = iota // of no interest
	empty
	numeric
	other // the first of its column that is not empty, and not a number
)

// parse looks at the row's cells and changes no column.
func (s *csvSource) parse(row []string, keep bool) error {
	if len(row) != len(s.cols) {
		return s.badRow(0, 0, fmt.Sprintf("expected %d fields, found %d%s", len(s.cols), len(row), s.hint()), nil)
	}
	trust := !keep && s.opts.BadRow == nil // an earlier run has read it
	for i, cell := range row {
		c, out := &s.cols[i], &s.cells[i]
		*out = csvCell{}
		if c.kind >= text || c.kind == number && trust {
			continue
		}
		if cell = strings.TrimSpace(cell); cell == "" {
			out.is = empty
			continue
		}
		v, err := parseNumber(cell)
		switch {
		case err == nil:
			*out = csvCell{numeric, v}
		case c.kind == undecided && errors.Is(err, errNotNumber):
			out.is = other
		default:
			return s.badRow(i, i+1, fmt.Sprintf("column %d %s: %s %v", i+1, show(c.name), show(cell), err), err)
		}
	}
	return nil
}

func (s *csvSource) badRow(field, column int, reason string, err error) error {
	return &RowError{Path: s.path, Line: s.line(field), Column: column, Reason: reason, Err: err, row: s.line(0)}
}

// store takes the row that was parsed over, as row n of the record.
func (s *csvSource) store(row []string, n int, keep bool) error {
	for i := range s.cells {
		c, cell := &s.cols[i], s.cells[i]
		switch cell.is {
		case numeric:
			c.kind = number
			if keep {
				bitutil.SetBit(c.bits, n)
			}
		case other:
			s.becomeText(c, strings.TrimSpace(row[i]), s.line(i))
			if s.fields != nil && len(s.opts.Columns) > 0 {
				return columnErrorf("column %s was asked for, but is not numeric: %s", show(c.name), c.why)
			}
		}
		if keep && c.in {
			c.vals[n] = cell.value
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

// choose leaves only the columns that were asked for.
func (s *csvSource) choose() error {
	if len(s.opts.Columns) == 0 {
		return nil
	}
	asked := setOf(s.opts.Columns)
	for i := range s.cols {
		if c := &s.cols[i]; !asked[c.name] {
			c.kind, c.in = ignored, false
		}
	}
	return s.checkColumns()
}

func (s *csvSource) checkColumns() error {
	has := make([]fileColumn, len(s.cols))
	for i, c := range s.cols {
		has[i] = fileColumn{c.name, c.why}
	}
	return checkColumns(s.opts.Columns, has, s.hint())
}

// checkText refuses what the first record showed to be text.
func (s *csvSource) checkText() error {
	if c := &s.cols[0]; c.kind == text && s.hint() != "" {
		return unsupportedf("column %s is %s%s", show(c.name), c.why, s.hint())
	}
	return s.checkColumns()
}

// hint says what may be wrong with a file that has one column.
func (s *csvSource) hint() string {
	if len(s.cols) != 1 {
		return ""
	}
	is := ""
	switch name := s.cols[0].name; {
	case strings.Contains(name, ";"):
		is = "semicolons"
	case strings.Contains(name, "\t"):
		is = "tabs"
	default:
		return ""
	}
	return "; the header is one cell with " + is + " in it, and cells must be separated by commas: convert the file"
}

// row is the next row, good until the next call. Errors name the line.
func (s *csvSource) row() ([]string, error) {
	s.limit.nextRow()
	s.from = s.offset()
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
		return &RowError{Path: s.path, Line: line, Reason: long.Error(), Err: err, row: line}
	}
	var parse *csv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	e := &RowError{Path: s.path, Line: parse.Line, Err: parse.Err, row: parse.StartLine}
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

// offset is where the next row starts in the file, or blank lines before it.
func (s *csvSource) offset() int64 { return s.start + s.rows.InputOffset() }
