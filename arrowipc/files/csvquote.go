package files

import (
	"bytes"
	"io"
	"unicode"
)

// A quoteReader moves blanks behind a closing quote into the quotes, as in
//
//	"1" ,2  →  "1 ",2
//
// because encoding/csv takes them there for an error, and trims none elsewhere but
// ahead of a cell; cells are trimmed when they are parsed. As many bytes come out as
// went in, so that offsets stay those of the file. Rows are followed as encoding/csv
// follows them: what is behind a misplaced quote is dropped up to the end of its line.
type quoteReader struct {
	r     io.Reader
	buf   []byte
	ready []byte // of buf, to be handed out
	held  []byte // of buf, behind ready: a quote and blanks with an unknown byte behind
	state quoteState
	err   error
}

type quoteState uint8

const (
	cellStart quoteState = iota // there may be blanks ahead
	unquoted
	quoted
	dropped
)

func newQuoteReader(r io.Reader) *quoteReader {
	return &quoteReader{r: r, buf: make([]byte, bufferBytes)}
}

func (q *quoteReader) Read(b []byte) (int, error) {
	for len(q.ready) == 0 {
		if q.err != nil {
			return 0, q.err
		}
		q.fill()
	}
	n := copy(b, q.ready)
	q.ready = q.ready[n:]
	return n, nil
}

func (q *quoteReader) fill() {
	held := copy(q.buf, q.held)
	n, err := q.r.Read(q.buf[held:])
	b := q.buf[:held+n]
	done := q.follow(b, err != nil)
	if done == 0 && len(b) == len(q.buf) { // nothing but blanks
		done, q.state = len(b), dropped
	}
	q.ready, q.held, q.err = b[:done], b[done:], err
}

// follow goes over bytes that begin in the reader's state, or with a quote that was
// held, and is how many of them may be handed out.
func (q *quoteReader) follow(b []byte, last bool) int {
	i := 0
	for i < len(b) {
		n := bytes.IndexByte(b[i:], '"')
		if q.state != quoted {
			if n < 0 {
				q.pass(b[i:])
				return len(b)
			}
			q.pass(b[i : i+n])
			if i += n + 1; q.state == cellStart {
				q.state = quoted
			} else {
				q.state = dropped
			}
			continue
		}
		if n < 0 {
			return len(b)
		}
		quote := i + n
		end := quote + 1
		for end < len(b) && (b[end] == ' ' || b[end] == '\t') {
			end++
		}
		switch {
		case end == len(b) && !last:
			return quote
		case end == quote+1 && end < len(b) && b[end] == '"': // stands for one
			i = end + 1
		case end == len(b) || b[end] == ',' || b[end] == '\n' || b[end] == '\r':
			b[quote], b[end-1] = b[end-1], '"'
			i, q.state = end, unquoted
		default:
			i, q.state = end, dropped
		}
	}
	return len(b)
}

// pass goes over bytes without quotes that are outside of quotes.
func (q *quoteReader) pass(b []byte) {
	if q.state == dropped {
		end := bytes.LastIndexByte(b, '\n')
		if end < 0 {
			return
		}
		b, q.state = b[end+1:], cellStart
	}
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] == ',' || b[i] == '\n' {
			b, q.state = b[i+1:], cellStart
			break
		}
	}
	if q.state == cellStart && len(bytes.TrimLeftFunc(b, unicode.IsSpace)) > 0 {
		q.state = unquoted
	}
}
