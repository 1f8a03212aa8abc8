package files

import (
	"io"
	"sync/atomic"

	"example.com/handoff/arrowipc"
)

// arrowStream is the record batches of one Arrow stream, or of several with the
// same columns that lie behind one another: what `cat` makes of them.
type arrowStream struct {
	in    *input
	opts  *Options
	cut   *atomic.Bool
	first *layout // of the file's first stream
	now   *layout // of the stream that at lies in
	at    int64   // the next message
	ended bool    // at lies behind an end mark
}

// openArrowStream reads the schema that a stream begins with.
func openArrowStream(in *input, alloc *arrowipc.Allocator, o *Options) (*arrowSource, error) {
	src := &arrowSource{in: in, alloc: alloc, opts: o}
	s := &arrowStream{in: in, opts: o, cut: &src.cut}
	l, err := s.begin()
	if err != nil {
		return nil, err
	}
	s.first, s.now = l, l
	src.layout, src.batches = l, s
	return src, nil
}

// begin reads the schema of the stream that starts here.
func (s *arrowStream) begin() (*layout, error) {
	m, err := readMessage(s.in, s.at, s.in.size)
	if err != nil {
		return nil, err
	}
	if m.endMark || m.kind != headerSchema {
		return nil, corruptf("Arrow stream without a schema")
	}
	l, err := parseSchema(m.header, m.version)
	if err == nil {
		err = l.choose(s.opts.Columns)
	}
	s.at, s.ended = m.end, false
	return l, err
}

func (s *arrowStream) next() (*message, *layout, error) {
	for s.at < s.in.size {
		if s.ended {
			if err := s.another(); err != nil {
				return nil, nil, err
			}
			continue
		}
		m, err := readMessage(s.in, s.at, s.in.size)
		if err != nil {
			return nil, nil, err
		}
		s.at, s.ended = m.end, m.endMark
		switch {
		case m.endMark:
		case m.kind == headerBatch:
			return m, s.now, nil
		case m.kind == headerDictionary: // for columns that are skipped
		default:
			return nil, nil, corruptf("Arrow stream: message of kind %d, expected a record batch", m.kind)
		}
	}
	s.cut.Store(!s.ended)
	return nil, nil, io.EOF
}

// another goes to the stream that lies behind an end mark. Anything else there is
// an error: it was meant to be read.
func (s *arrowStream) another() error {
	from := s.at
	l, err := s.begin()
	if err != nil {
		return corruptf("the Arrow stream ends at byte %d of %d, and what follows is no other one: %v", from, s.in.size, err)
	}
	if diff := s.first.diff(l); diff != "" {
		return corruptf("a second Arrow stream begins at byte %d, with other columns: %s", from, diff)
	}
	s.now = l
	return nil
}
