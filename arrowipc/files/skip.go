package files

import (
	"context"
	"fmt"
	"os"
)

// Skip passes over the next rows as if Next had given them, so that a run can go
// on behind what an earlier one did. rows must be a sum of whole records as Next
// gives them, with the same file and the same Options; 0 does nothing. The
// bodies of an Arrow file are not read. CSV is read, but its numbers are only
// looked at where a column could still be text, or Options.BadRow is set: rows
// that are left out do not count and are handed to it again.
//
// ctx bounds the work and is looked at between records. After an error the Reader
// can only be closed.
func (r *Reader) Skip(ctx context.Context, rows int64) error {
	if rows == 0 || r.err != nil {
		return r.err
	}
	if r.file == nil {
		return &fileError{r.path, "read after Close", os.ErrClosed}
	}
	err := error(nil)
	if rows < 0 {
		err = fmt.Errorf("skip of %d rows", rows)
	} else {
		err = r.src.skip(ctx, rows)
	}
	if change := checkUnchanged(r.file, r.id); change != nil {
		err = change
	}
	if err != nil {
		r.err = nameError(r.path, err)
		r.src.close()
	}
	return r.err
}

func tooFewRows(has, rows int64) error {
	return fmt.Errorf("skip of %d rows: there are %d; is it another file, or with other options?", rows, has)
}

func noBoundary(first, n, rows int64) error {
	return fmt.Errorf("skip of %d rows ends within a record, that of the %d rows from row %d on; is it another file, or with other options?", rows, n, first)
}
