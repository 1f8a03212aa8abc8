package outfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"
)

// A File is a file that is being written.
type File struct {
	*os.File
	path   string // that it gets
	hidden string // that it has; "" if none
	done   bool
}

// Create begins a file for a path that Resolve has given, and removes what processes
// that were killed have left for that path. The caller ends it with Close.
func Create(path string) (*File, error) {
	for n := range mostHidden {
		removeLeftover(HiddenName(path, newSuffix(n)))
	}
	if f, err := openNameless(filepath.Dir(path)); err == nil {
		lock(f) // before it has a name
		return &File{File: f, path: path}, nil
	}
	return createNamed(path)
}

// createNamed is Create where every file has a name.
func createNamed(path string) (*File, error) {
	for n := range mostHidden {
		name := HiddenName(path, newSuffix(n))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, Cause(err)
		}
		if lock(f) && hasName(f, name) {
			return &File{File: f, path: path, hidden: name}, nil
		}
		f.Close() // another Create took it for a leftover, and removes it
	}
	return nil, errBusy
}

// mostHidden bounds the processes that have a named hidden file for one output.
const mostHidden = 16

var errBusy = fmt.Errorf("%d other processes are writing it", mostHidden)

func newSuffix(n int) string { return fmt.Sprintf("new-%d", n) }

// HiddenName is the name of a hidden file beside path: of at most 124 bytes and the
// suffix, as a file system may have no more than 143 for a name.
func HiddenName(path, suffix string) string {
	base := filepath.Base(path)
	for len(base) > 100 {
		_, size := utf8.DecodeLastRuneInString(base)
		base = base[:len(base)-size]
	}
	return filepath.Join(filepath.Dir(path), "."+base+".handoff-"+suffix)
}

// Name is the hidden file's; "" if it has none.
func (f *File) Name() string { return f.hidden }

// Commit makes the file durable and gives it its name, with the mode of the file that
// it replaces. The folder is not synced.
func (f *File) Commit() error {
	if err := f.Sync(); err != nil {
		return Cause(err)
	}
	if info, err := os.Lstat(f.path); err == nil && info.Mode().IsRegular() {
		_ = f.Chmod(info.Mode().Perm()) // where modes cannot be changed, all files have the same
	} else if f.hidden == "" {
		err := link(f.File, f.path)
		if err == nil {
			f.done = true
		}
		if !errors.Is(err, fs.ErrExist) {
			return Cause(err)
		}
	}
	for n := 0; f.hidden == ""; n++ {
		if n == mostHidden {
			return errBusy
		}
		name := HiddenName(f.path, newSuffix(n))
		if err := link(f.File, name); err == nil {
			f.hidden = name
		} else if !errors.Is(err, fs.ErrExist) {
			return Cause(err)
		}
	}
	if err := os.Rename(f.hidden, f.path); err != nil {
		return Cause(err)
	}
	f.done = true
	return nil
}

// Close ends the file. Unless Commit has returned nil, nothing is left of it.
func (f *File) Close() error {
	var err error
	if f.hidden != "" && !f.done {
		err = os.Remove(f.hidden) // while it is locked
		f.done = true
	}
	return errors.Join(err, f.File.Close())
}

// hasName reports whether a name is that of an open file.
func hasName(f *os.File, name string) bool {
	mine, err := f.Stat()
	there, err2 := os.Lstat(name)
	return err == nil && err2 == nil && mine.Mode().IsRegular() && os.SameFile(mine, there)
}
