package journal

import (
	"io"
	"io/fs"
)

// FS is what a journal, and the files that a job writes beside it, need of a file
// system. Names are paths in the form of package filepath. Errors wrap those of
// package fs: a name that is not there is fs.ErrNotExist.
type FS interface {
	// OpenFile opens a file with flags of package os. It does not follow a symbolic
	// link in the last element, and children do not inherit the descriptor.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	Mkdir(name string, perm fs.FileMode) error
	Rename(from, to string) error
	// Remove removes a file or an empty folder.
	Remove(name string) error
	// Stat does not follow a symbolic link in the last element.
	Stat(name string) (fs.FileInfo, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	// SyncDir makes durable which names are in a folder.
	SyncDir(name string) error
	// Lock makes a file and holds a lock on it that excludes everybody, also in this process,
	// until Close, which removes it, or the end of the process. It returns a
	// *LockedError at once if somebody else has it.
	Lock(name string) (io.Closer, error)
}

// A File is an open file of an FS. An *os.File has all of its methods.
type File interface {
	io.Reader
	io.ReaderAt
	io.Writer
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	// Sync makes contents and length durable.
	Sync() error
	Stat() (fs.FileInfo, error)
}

// Options are for Create and Open. Nil and the zero value work.
type Options struct {
	FS FS // nil: OS()
}

func (o *Options) fs() FS {
	if o == nil || o.FS == nil {
		return OS()
	}
	return o.FS
}
