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
		reason := fmt.Sprintf("expected %d fields, found %d%s", len(s.cols), len(row), s.hint())
		return &RowError{Path: s.path, Line: s.line(0), Reason: reason, row: s.line(0)}
	}
	trust := !keep && s.opts.BadRow == nil // an earlier run has read it
	for i, cell := range row {
		c, out := &s.cols[i], &s.cells[i]
		*out = csvCell{}
		if c.kind >= text || c.kind != undecided && trust {
			continue
		}
		if cell = strings.TrimSpace(cell); cell == "" {
			out.is = empty
			continue
		}
		v, err := parseNumber(cell)
		switch {
		case err == errNotNumber && c.kind == undecided:
			out.is = other
		case err == errNotNumber && c.kind == number:
			return s.notNumber(i, s.see(cell, i))
		case err != errNotNumber && c.kind == fewTexts:
			return s.columnError(i, s.see(cell, i), fmt.Sprintf("is a number, but %s in line %d is not", show(c.shows.cell), c.shows.line))
		case err == nil:
			*out = csvCell{numeric, v}
		case err != errNotNumber:
			return s.cellError(i, s.see(cell, i), err.Error(), err)
		}
	}
	return nil
}

func (s *csvSource) notNumber(field int, seen glimpse) error {
	shows := s.cols[field].shows
	switch {
	case commaNumber(seen.cell):
		return s.cellError(field, seen, hasComma, ErrCell)
	case shows.line > seen.line:
		return s.cellError(field, seen, fmt.Sprintf("is not a number, but %s in line %d is", show(shows.cell), shows.line), ErrCell)
	}
	return s.cellError(field, seen, errNotNumber.Error(), ErrCell)
}

const hasComma = "is not a number: it has a comma"

// columnError is about a column, so that it would be of no use to leave the row out.
func (s *csvSource) columnError(field int, seen glimpse, is string) error {
	reason := fmt.Sprintf("column %d %s: %s in line %d %s", field+1, show(s.cols[field].name), show(seen.cell), seen.line, is)
	return &fileError{s.path, reason, ErrCell}
}

func (s *csvSource) cellError(field int, seen glimpse, is string, err error) *RowError {
	reason := fmt.Sprintf("column %d %s: %s %s", field+1, show(s.cols[field].name), show(seen.cell), is)
	return &RowError{Path: s.path, Line: seen.line, Column: field + 1, Reason: reason, Err: err, row: seen.row}
}

// store takes the row that was parsed over, as row n of the record.
func (s *csvSource) store(row []string, n int, keep bool) error {
	for i := range s.cells {
		c, cell := &s.cols[i], s.cells[i]
		switch cell.is {
		case numeric:
			if c.kind == undecided {
				c.kind, c.shows = number, s.see(row[i], i)
			}
			if keep {
				bitutil.SetBit(c.bits, n)
			}
		case other:
			if err := s.lateText(i, s.see(row[i], i)); err != nil {
				return err
			}
		}
		if keep && c.in {
			c.vals[n] = cell.value
		}
	}
	return nil
}

// lateText takes a column that was empty up to here for one of text. The records go
// on with it.
func (s *csvSource) lateText(field int, seen glimpse) error {
	c := &s.cols[field]
	if commaNumber(seen.cell) {
		return s.columnError(field, seen, hasComma)
	}
	c.becomeText(seen)
	s.listSkipped()
	if len(s.opts.Columns) > 0 {
		return columnErrorf("column %s was asked for, but is not numeric: %s", show(c.name), c.why)
	}
	return nil
}

func (s *csvSource) listSkipped() {
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
		if c.isText() {
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
			c.kind, c.in = notAskedOf, false
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

// hint says what may be wrong with the header of a file whose rows do not fit it.
func (s *csvSource) hint() string {
	if strings.HasPrefix(s.cols[0].name, "#") {
		return fmt.Sprintf("; the header is %s: if it is a comment, remove it", show(s.cols[0].name))
	}
	return s.separator()
}

// separator says what may be wrong with a file that has one column.
func (s *csvSource) separator() string {
	if len(s.cols) != 1 {
		return ""
	}
	is := ""
	switch name := s.cols[0].name; {
	case strings.Contains(name, ";"):
		is = "semicolons"
	case strings.Contains(name, "\t"):
		is = "tabs"
	case strings.Contains(name, "|"):
		is = "bars"
	case strings.Contains(name, ","):
		return "; the header is one cell with commas in it: each cell may be quoted, but not the line"
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

// offset returns the position in the file of the next row, or of blank lines before it.
func (s *csvSource) offset() int64 { return s.start + s.rows.InputOffset() }
