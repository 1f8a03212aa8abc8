package files

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

var (
	// ErrCorrupt: the file is truncated or contradicts itself. Retrying does not help.
	ErrCorrupt = errors.New("corrupt file")
	// ErrUnsupported: the file is of an unknown type, or uses a part of its format that is not read here.
	ErrUnsupported = errors.New("unsupported file")
	// ErrChanged: the file was written to while it was read. What was read since it was opened may be of both.
	ErrChanged = errors.New("file changed")
	// ErrColumn: what [Options.Columns] asks for is not in the file, or is not numeric.
	ErrColumn = errors.New("no such numeric column")
	// ErrCell: a column of CSV has cells that are numbers and others that are not. [Options.Columns] can
	// leave it out.
	ErrCell = errors.New("a column of numbers and text")
)

// A RowError says what is wrong with one row of a CSV file.
type RowError struct {
	Path   string
	Line   int    // of the cell, or of the row's start; the header is on line 1
	Column int    // 1 is the first; 0 if it is not about one cell
	Reason string // `column 3 "delay": "abc" is not a number`
	Err    error  // nil, [ErrCell], or what encoding/csv said

	row int // the line that the row starts in
}

func (e *RowError) Error() string {
	return fmt.Sprintf("%s:%d: %s", showPath(e.Path), e.Line, e.Reason)
}

func (e *RowError) Unwrap() error { return e.Err }

// fileError names the file and nothing twice.
type fileError struct {
	path   string
	reason string
	err    error // a sentinel or the cause
}

func (e *fileError) Error() string { return showPath(e.path) + ": " + e.reason }

func (e *fileError) Unwrap() error { return e.err }

// corrupt is a reason to refuse a file's content, before its name is known.
type corrupt struct{ reason string }

func corruptf(format string, args ...any) error { return &corrupt{fmt.Sprintf(format, args...)} }

func (e *corrupt) Error() string { return e.reason }

func (e *corrupt) Unwrap() error { return ErrCorrupt }

// showPath keeps an error on one line whatever the file is called.
func showPath(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(path)
	}
	return path
}

const shownBytes = 40

// show quotes text from a file, escaped and not too long.
func show[S ~string | ~[]byte](text S) string {
	if len(text) > shownBytes {
		return strconv.Quote(string(text[:shownBytes])) + "…"
	}
	return strconv.Quote(string(text))
}
