package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"example.com/handoff/arrowipc"
)

// Options says what of a file is read and how it is cut into records. The zero value and nil work.
type Options struct {
	// ChunkRows is the most rows of a record. 0: 65536.
	ChunkRows int
	// ChunkBytes bounds a record of a file with many columns: it has fewer rows
	// where ChunkRows would make its values more bytes than this, but at least 8.
	// 0: 64 MiB.
	ChunkBytes int64
	// RowBytes bounds a row of a CSV file, which must fit into memory. 0: 16 MiB.
	RowBytes int
	// Columns are the names of the columns to load; the others are not looked at
	// and not reported by Skipped. The records keep the file's order. If several
	// columns have one name, all that are numeric are loaded. A name that no numeric
	// column has is an error that wraps [ErrColumn]: in Open, or from Next where a
	// column of CSV that was empty so far turns out to be text. Empty: all columns.
	Columns []string
	// BadRow is handed each row of a CSV file that can't be used, for the number of
	// its cells, a bad cell in a numeric column, or its quotes. The row is left out
	// of the records, in the file's order, and if BadRow gives an error, reading ends
	// with that. It is called by Next and by Skip. A row whose end is not found cannot be left
	// out: one that is longer than RowBytes, and one of several lines with a quote that
	// is open up to the end of the file. A quote that is closed in a later line makes
	// one row of all lines up to there. nil: a bad row is an error.
	BadRow func(BadRow) error
}

const (
	defaultChunkRows  = 64 << 10
	defaultChunkBytes = 64 << 20
	defaultRowBytes   = 16 << 20
	minRows           = 8
)

// rows returns the most rows of rowBytes bytes for one record.
func (o *Options) rows(rowBytes int64) int64 {
	fit := max(o.ChunkBytes/max(rowBytes, 1)&^7, minRows) // a multiple of 8 keeps validity bits in whole bytes
	return min(int64(o.ChunkRows), fit)
}

// Open opens the file at path and reads what tells its columns: an Arrow schema,
// or the header and the first 64 KiB of CSV. Its records will be in alloc's arena. The
// caller ends it with Close.
//
// The error wraps [io/fs.ErrNotExist] and the like, [ErrUnsupported],
// [ErrCorrupt], [ErrColumn], [ErrChanged], or the arena's, and may be a [*RowError],
// of a row in the first 64 KiB if [Options].BadRow is nil. A pipe or device is
// refused without waiting for it, and so is an empty file.
func Open(path string, alloc *arrowipc.Allocator, opts *Options) (*Reader, error) {
	o := Options{}
	if opts != nil {
		o = *opts
	}
	if o.ChunkRows < 0 || o.ChunkBytes < 0 || o.RowBytes < 0 {
		return nil, fmt.Errorf("files: open %s: negative options: ChunkRows %d, ChunkBytes %d, RowBytes %d", path, o.ChunkRows, o.ChunkBytes, o.RowBytes)
	}
	if o.ChunkRows == 0 {
		o.ChunkRows = defaultChunkRows
	}
	if o.ChunkBytes == 0 {
		o.ChunkBytes = defaultChunkBytes
	}
	if o.RowBytes == 0 {
		o.RowBytes = defaultRowBytes
	}
	o.Columns = slices.Clone(o.Columns)
	f, id, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	src, err := openSource(f, id.Size, path, alloc, &o)
	if change := checkUnchanged(f, id); change != nil {
		if err == nil {
			src.close()
		}
		err = change
	}
	if err != nil {
		f.Close()
		return nil, nameError(path, err)
	}
	return &Reader{path: path, file: f, id: id, total: id.Size, src: src}, nil
}

// openRegular opens a regular file with something in it, and nothing else.
func openRegular(path string) (*os.File, Identity, error) {
	info, err := os.Stat(path)
	if err == nil {
		err = checkRegular(path, info)
	}
	if err != nil {
		return nil, Identity{}, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, Identity{}, err
	}
	if info, err = f.Stat(); err == nil {
		err = checkRegular(path, info)
	}
	if err == nil && info.Size() == 0 {
		err = &fileError{path, "empty file (0 bytes)", ErrCorrupt}
	}
	if err != nil {
		f.Close()
		return nil, Identity{}, err
	}
	return f, IdentityOf(info), nil
}

func checkRegular(path string, info fs.FileInfo) error {
	mode, is := info.Mode(), ""
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		is = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		is = "a pipe"
	case mode&fs.ModeSocket != 0:
		is = "a socket"
	default:
		is = "a device"
	}
	return &fileError{path, "is " + is + ", expected a regular file", ErrUnsupported}
}

const supported = "supported are Arrow IPC files and streams (known by their content) and CSV (.csv)"

// openSource tells the type: Arrow by content, the rest by extension.
func openSource(f *os.File, size int64, path string, alloc *arrowipc.Allocator, o *Options) (source, error) {
	head := make([]byte, min(size, foreignBytes))
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, err
	}
	ext := strings.ToLower(filepath.Ext(path))
	in := &input{r: f, size: size}
	switch {
	case isArrowFile(head, ext):
		return openArrowFile(in, alloc, o)
	case isArrowStream(in, head):
		return openArrowStream(in, alloc, o)
	}
	if err := foreign(head); err != nil {
		return nil, err
	}
	switch ext {
	case ".csv":
		return openCSV(in, path, alloc, o)
	case ".arrow", ".feather", ".ipc", ".arrows":
		return nil, corruptf("not an Arrow IPC file or stream: it begins with %s", show(head[:min(len(head), 8)]))
	}
	return nil, &fileError{path, "unknown file type; " + supported, ErrUnsupported}
}

// nameError makes an error that does not name the file do so.
func nameError(path string, err error) error {
	var named *fs.PathError
	var file *fileError
	var row *RowError
	if err == io.EOF || errors.As(err, &named) || errors.As(err, &file) || errors.As(err, &row) {
		return err
	}
	return &fileError{path, err.Error(), err}
}
