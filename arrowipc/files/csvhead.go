package files

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
)

// The head of a file settles what its columns are, in any order of its rows: the
// rows that begin within its first csvHeadBytes bytes, and csvHeadRows at least.
const (
	csvHeadBytes = 64 << 10
	csvHeadRows  = 8
)

// manyTexts is how many different texts show that a column is one of text, so that
// a cell which looks like a number is nothing special there. A column of numbers has
// a few words for what is missing, and may have nothing else for a long time.
const manyTexts = 8

// A glimpse is a cell that was seen.
type glimpse struct {
	cell string
	line int // 0: none was
	row  int // the line that its row starts in
}

func (s *csvSource) see(cell string, field int) glimpse {
	return glimpse{strings.Clone(strings.TrimSpace(cell)), s.line(field), s.line(0)}
}

type headColumn struct {
	number, text glimpse  // the first of each
	texts        []string // different ones, no more than manyTexts
	commas       bool     // every text is a number but for its commas
}

func (h *headColumn) add(is cellKind, seen glimpse) {
	switch is {
	case numeric:
		if h.number.line == 0 {
			h.number = seen
		}
	case other:
		if h.text.line == 0 {
			h.text, h.commas = seen, true
		}
		h.commas = h.commas && commaNumber(seen.cell)
		if len(h.texts) < manyTexts && !slices.Contains(h.texts, seen.cell) {
			h.texts = append(h.texts, seen.cell)
		}
	}
}

// readHead settles the columns and, if no row may be left out, checks the rows of
// the head. Then the source stands behind the header again.
func (s *csvSource) readHead() error {
	columns := make([]headColumn, len(s.cols))
	fit, bad := 0, error(nil)
	err := s.eachOfHead(func(row []string, err error) error {
		if err == nil {
			err = s.parse(row, true)
		}
		if err != nil { // the row decides nothing
			if bad == nil {
				bad = err
			}
			return nil
		}
		fit++
		for i, cell := range s.cells {
			columns[i].add(cell.is, s.see(row[i], i))
		}
		return nil
	})
	if err == nil && fit == 0 && s.hint() != "" {
		err = bad
	}
	if err == nil {
		err = s.settle(columns)
	}
	if err == nil && s.opts.BadRow == nil {
		first := true
		err = s.eachOfHead(func(row []string, err error) error {
			if err == nil {
				err = s.parse(row, true)
			}
			err = s.noTable(row, first, err)
			first = false
			return err
		})
	}
	if err == nil {
		_, err = s.readHeader()
	}
	return err
}

// eachOfHead calls look with each row of the head, or with what is wrong with it.
func (s *csvSource) eachOfHead(look func([]string, error) error) error {
	if _, err := s.readHeader(); err != nil {
		return err
	}
	for n := 0; n < csvHeadRows || s.offset() < csvHeadBytes; n++ {
		row, err := s.row()
		var bad *RowError
		switch {
		case err == io.EOF:
			return nil
		case err != nil && (!errors.As(err, &bad) || !s.passable(bad)):
			return err
		}
		if err := look(row, err); err != nil {
			return err
		}
	}
	return nil
}

// noTable says of a bad row behind the header that it may be no row at all.
func (s *csvSource) noTable(row []string, first bool, err error) error {
	var bad *RowError
	if !first || !errors.As(err, &bad) || bad.Err != ErrCell {
		return err
	}
	for _, cell := range row {
		if isNumber(strings.TrimSpace(cell)) {
			return err
		}
	}
	bad.Reason += fmt.Sprintf("; line %d holds no number: if it gives units, or is a second header, remove it", bad.row)
	return bad
}

// settle tells the columns of the records by the head.
func (s *csvSource) settle(head []headColumn) error {
	var fields []arrow.Field
	for i := range s.cols {
		c, h := &s.cols[i], &head[i]
		switch {
		case c.kind == notAskedOf:
			continue
		case h.number.line > 0:
			c.kind, c.shows = number, h.number
		case h.text.line > 0 && h.commas && s.separator() == "":
			return s.columnError(i, h.text, hasComma)
		case h.text.line > 0:
			c.becomeText(h.text)
			c.in = false
			if len(h.texts) == manyTexts {
				c.kind = text
			}
		}
		if c.in {
			fields = append(fields, arrow.Field{Name: c.name, Type: arrow.PrimitiveTypes.Float64, Nullable: true})
		}
	}
	s.fields = arrow.NewSchema(fields, nil)
	s.listSkipped()
	if c := &s.cols[0]; c.isText() && s.separator() != "" {
		return unsupportedf("column %s is %s%s", show(c.name), c.why, s.separator())
	}
	return s.checkColumns()
}

func (c *csvColumn) isText() bool { return c.kind == text || c.kind == fewTexts }

func (c *csvColumn) becomeText(seen glimpse) {
	c.kind, c.shows = fewTexts, seen
	c.why = fmt.Sprintf("text: its first value is %s in line %d", show(seen.cell), seen.line)
}

// checkHeader refuses a first row that is no header.
func (s *csvSource) checkHeader() error {
	first, numbers := strings.ToLower(s.cols[0].name), 0
	switch {
	case len(s.cols) == 1 && strings.HasPrefix(first, "sep=") && len(first) <= len("sep=,"),
		len(s.cols) == 2 && first == "sep=" && s.cols[1].name == "":
		return unsupportedf("the first line is %s, which is for spreadsheet programs: remove it", show(s.cols[0].name))
	}
	for i := range s.cols {
		if name := s.cols[i].name; isNumber(name) {
			numbers++
		} else if name != "" {
			numbers = -len(s.cols)
		}
	}
	if numbers > 0 {
		return unsupportedf("no header: line %d holds nothing but numbers: put a line with the names of the columns ahead of it", s.line(0))
	}
	line := make([]byte, s.offset()-s.start)
	if err := s.in.read(line, s.start); err != nil {
		return err
	}
	if endsInCR(line) {
		return unsupportedf("its lines end in a carriage return alone, expected a line feed, or both: convert it")
	}
	return nil
}

// endsInCR reports whether the first line is ended by carriage returns with no line
// feed behind them.
func endsInCR(b []byte) bool {
	quoted := false
	for i, c := range b {
		switch {
		case c == '"':
			quoted = !quoted
		case c == '\r' && !quoted:
			rest := bytes.TrimLeft(b[i:], "\r")
			return len(rest) > 0 && rest[0] != '\n'
		case c == '\n' && !quoted && i > 0:
			return false
		}
	}
	return false
}
