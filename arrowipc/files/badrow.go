package files

import (
	"bytes"
	"encoding/csv"
	"errors"
)

// A BadRow is a row of a CSV file that is left out of the records.
type BadRow struct {
	Path   string
	Line   int       // where the row starts; the header is on line 1
	Err    *RowError // what is wrong with it
	Offset int64     // in the file, in bytes
	Bytes  int64     // of the row, without the end of its last line
	Raw    []byte    // them, at most the first 64 KiB; the hook may keep it
}

const maxRaw = 64 << 10

// bad hands the row that was just read to Options.BadRow, if it can be left out,
// and otherwise gives the error back.
func (s *csvSource) bad(err error) error {
	var row *RowError
	if s.opts.BadRow == nil || !errors.As(err, &row) || !s.passable(row) {
		return err
	}
	b := BadRow{Path: s.path, Line: row.row, Err: row}
	if err := s.raw(&b, s.from, s.offset()); err != nil {
		return err
	}
	if err := s.opts.BadRow(b); err != nil {
		return &stopped{err}
	}
	return nil
}

// stopped is the error that Options.BadRow ended reading with, whatever it is:
// not the end of the file, not a full arena.
type stopped struct{ err error }

func (e *stopped) Error() string { return e.err.Error() }

func (e *stopped) Unwrap() error { return e.err }

// passable reports whether the next row starts behind this one. It does not where
// the row was too long to be read up to its end, and where a quote that is not
// closed takes all of the rest for one row.
func (s *csvSource) passable(e *RowError) bool {
	var long *longRowError
	open := errors.Is(e.Err, csv.ErrQuote) && e.Line != e.row && s.offset() == s.in.size
	return !errors.As(e.Err, &long) && !open
}

// raw reads the row again, which lies between from and to, behind blank lines.
func (s *csvSource) raw(b *BadRow, from, to int64) error {
	buf := make([]byte, min(maxRaw, to-from))
	for {
		buf = buf[:min(int64(len(buf)), to-from)]
		if err := s.in.read(buf, from); err != nil {
			return err
		}
		blank := 0
		for n := 1; n > 0; blank += n {
			n = endOfLine(buf[blank:])
		}
		if blank == 0 {
			break
		}
		from += int64(blank)
	}
	last := make([]byte, min(2, to-from))
	if err := s.in.read(last, to-int64(len(last))); err != nil {
		return err
	}
	if bytes.Equal(last, []byte("\r\n")) {
		to -= 2
	} else if bytes.HasSuffix(last, []byte("\n")) {
		to--
	}
	b.Offset, b.Bytes = from, to-from
	b.Raw = bytes.Clone(buf[:min(int64(len(buf)), b.Bytes)])
	return nil
}

// endOfLine is the bytes of the end of line that b begins with.
func endOfLine(b []byte) int {
	switch {
	case bytes.HasPrefix(b, []byte("\n")):
		return 1
	case bytes.HasPrefix(b, []byte("\r\n")):
		return 2
	}
	return 0
}
