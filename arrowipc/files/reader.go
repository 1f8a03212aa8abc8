package files

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc"
)

// A Skipped is a column that the records do not hold, or hold as nulls.
type Skipped struct {
	Name string // as the file gives it; may be empty and may repeat
	Why  string // `type utf8 is none of int8…uint64, float32, float64`
	// Field is the column's place in the Schema, if a text column of CSV that
	// looked empty at first is in it, as nulls; −1 if it is not there.
	Field int
}

// A Reader reads one file. One goroutine uses it; BytesRead, Identity and Skipped may be
// called from others at the same time.
type Reader struct {
	path  string
	total int64
	id    Identity
	src   source
	file  *os.File // nil once closed

	err error // what ended the file; Next goes on saying it
}

// source is one file format.
type source interface {
	schema() *arrow.Schema
	next() (arrow.Record, error) // one reference for the caller; io.EOF at the end
	skip(ctx context.Context, rows int64) error
	skipped() []Skipped // from any goroutine
	done() int64        // bytes of the file, from any goroutine
	close()             // releases what is kept for later records
}

// Schema is the schema of every record: the numeric columns in the file's order.
// It is the same before, while and after reading.
func (r *Reader) Schema() *arrow.Schema { return r.src.schema() }

// Next returns the next record, of 1 to Options.ChunkRows rows, in the arena; the
// caller releases it. A record does not reach across two record batches of an
// Arrow file. The error is [io.EOF] at the end; a file without numeric columns
// is checked up to its end and gives no record.
//
// A file that was written to since it was opened is an error that wraps
// [ErrChanged]; it is looked for at each call, after the reading, and at the end.
// A file that only lost its name, to another file or to none, is read on.
//
// ctx is looked at once, before the work starts. Its error and a full arena's
// leave the Reader where it was, so that Next can be called again; every other
// error is final and said again.
func (r *Reader) Next(ctx context.Context) (arrow.Record, error) {
	if r.err != nil {
		return nil, r.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.file == nil {
		return nil, &fileError{r.path, "read after Close", os.ErrClosed}
	}
	rec, err := r.src.next()
	if change := checkUnchanged(r.file, r.id); change != nil {
		if rec != nil {
			rec.Release()
		}
		err = change
	}
	if err == nil {
		return rec, nil
	}
	err = nameError(r.path, err)
	if !isFull(err) {
		r.err = err
		r.src.close()
	}
	return nil, err
}

// Identity returns the identity that the file had when it was opened.
func (r *Reader) Identity() Identity { return r.id }

// BytesRead is how much of the file has been read and its size when it was
// opened, in bytes. done reaches total at the end.
func (r *Reader) BytesRead() (done, total int64) {
	return min(r.src.done(), r.total), r.total
}

// Skipped is the columns that are not numeric, in the file's order. Those of a
// CSV file may become more while it is read: see the package comment.
func (r *Reader) Skipped() []Skipped { return r.src.skipped() }

// Cut reports whether an Arrow stream has ended without its end mark, which the
// format allows: it may have been cut off between two record batches, and then
// rows are missing. It is known once Next has given [io.EOF].
func (r *Reader) Cut() bool {
	s, ok := r.src.(*arrowSource)
	return ok && s.cut.Load()
}

// Close closes the file. Records that were handed out stay good. Close is safe
// to call twice.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	r.src.close()
	return f.Close()
}

// isFull tells a full arena, which is worth a second try, from a bad file.
func isFull(err error) bool {
	var full *arrowipc.AllocError
	var hook *stopped
	return errors.As(err, &full) && !errors.As(err, &hook)
}

// input is the bytes of a file that was of this size when it was opened.
type input struct {
	r    io.ReaderAt
	size int64
}

// read fills b from byte off on.
func (in *input) read(b []byte, off int64) error {
	if off < 0 || off > in.size || int64(len(b)) > in.size-off {
		return corruptf("truncated: %d bytes at byte %d of %d", len(b), off, in.size)
	}
	if n, err := in.r.ReadAt(b, off); n < len(b) {
		if err == io.EOF || err == nil {
			return corruptf("truncated while it was read: %d of %d bytes at byte %d", n, len(b), off)
		}
		return err
	}
	return nil
}
