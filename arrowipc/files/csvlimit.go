package files

import (
	"bytes"
	"fmt"
	"io"
)

// A limitReader bounds what one row makes encoding/csv keep in memory, which has
// no bound of its own: the bytes that it asks for while it reads one row, and
// the commas in them, because each cell costs tens of bytes. What lies in a read
// buffer already does not count, so a row may be that much longer.
type limitReader struct {
	r        io.Reader
	rowBytes int
	bytes    int // asked for since nextRow
	commas   int // in them
	total    int64
}

const maxCommas = 1 << 18

type longRowError struct{ reason string }

func (e *longRowError) Error() string { return e.reason }

func (l *limitReader) nextRow() {
	l.bytes, l.commas = 0, 0
}

func (l *limitReader) Read(b []byte) (int, error) {
	if l.bytes > l.rowBytes {
		return 0, &longRowError{fmt.Sprintf("a row of more than %d bytes; is a quote missing?", l.rowBytes)}
	}
	if l.commas > maxCommas {
		return 0, &longRowError{fmt.Sprintf("a row with more than %d commas", maxCommas)}
	}
	n, err := l.r.Read(b)
	l.bytes += n
	l.total += int64(n)
	l.commas += bytes.Count(b[:n], []byte{','})
	return n, err
}
