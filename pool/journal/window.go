package journal

import (
	"fmt"
	"io"
)

const windowBytes = 64 << 10

// A window reads a file of a known size through a buffer that grows only to what is
// asked of it, which is never more than the file holds.
type window struct {
	f    io.ReaderAt
	path string
	size int64

	buf []byte // what the file holds from at on
	at  int64
}

// read returns n bytes of the file at off, which lie within size. They are valid
// until the next call.
func (w *window) read(off int64, n int) ([]byte, error) {
	if off < w.at || off+int64(n) > w.at+int64(len(w.buf)) {
		want := int(min(max(int64(n), windowBytes), w.size-off))
		if cap(w.buf) < want {
			w.buf = make([]byte, want)
		}
		w.buf, w.at = w.buf[:want], off
		if got, err := w.f.ReadAt(w.buf, off); got < want {
			w.buf = w.buf[:0]
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("read %q at offset %d: %w", w.path, off, err)
		}
	}
	from := int(off - w.at)
	return w.buf[from : from+n : from+n], nil
}
