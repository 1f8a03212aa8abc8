package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Open takes up the journal in a folder. It reads and checks the whole file, cuts off
// a torn tail (see Journal.Cut), and makes durable what it found: when it returns nil,
// the records of Journal.Records survive the loss of power.
//
// Errors: ErrNone, a *LockedError, a *DamageError, ErrForeign, ErrNewer, and those of
// the file system. A file that is refused is not changed.
func Open(dir string, opts *Options) (*Journal, error) {
	fsys, dir := opts.fs(), filepath.Clean(dir)
	j := &Journal{fs: fsys, dir: dir}
	if err := j.exists(); err != nil {
		return nil, wrap("open", dir, err)
	}
	lock, err := fsys.Lock(filepath.Join(dir, lockName))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) { // the folder was removed a moment ago
			err = ErrNone
		}
		return nil, wrap("open", dir, err)
	}
	j.lock = lock
	if err := j.open(); err != nil {
		if j.file != nil {
			j.file.Close()
		}
		_ = lock.Close()
		return nil, wrap("open", dir, err)
	}
	return j, nil
}

// exists checks that there is a regular file of the journal's name.
func (j *Journal) exists() error {
	if err := isFolder(j.fs, j.dir); errors.Is(err, fs.ErrNotExist) {
		return ErrNone
	} else if err != nil {
		return err
	}
	info, err := j.fs.Stat(j.path())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNone
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%q is not a regular file but %v: %w", j.path(), info.Mode().Type(), ErrForeign)
	}
	return nil
}

// load opens the file and goes through it.
func (j *Journal) load(flag int) (s *scanner, err error) {
	if err := j.exists(); err != nil {
		return nil, err
	}
	if j.file, err = j.fs.OpenFile(j.path(), flag, 0); err != nil {
		return nil, err
	}
	info, err := j.file.Stat()
	if err != nil {
		return nil, err
	}
	s = &scanner{window: window{f: j.file, path: j.path(), size: info.Size()}}
	if j.header, err = s.open(); err != nil {
		return nil, err
	}
	if j.found.extent, err = s.all(); err != nil {
		return nil, err
	}
	j.prefix, j.found.records = s.prefix, int(s.number-1)
	return s, nil
}

// open does what Open says, with the lock.
func (j *Journal) open() error {
	s, err := j.load(os.O_RDWR) // it may have been removed before we had the lock
	if err != nil {
		return err
	}
	if err := removeLeftover(j.fs, filepath.Join(j.dir, tmpName)); err != nil {
		return err
	}
	if err := syncFolders(j.fs, j.dir, j.prefix.flags&flagMade != 0); err != nil {
		return err
	}
	return j.settle(s)
}

// settle makes the file end with a seal, on the disk all that lies before it. The last
// seal and what follows it are written again, for the process before may have died of
// a failed fdatasync that has left them in the cache, clean. A length to which it has
// cut the file is not durable either.
func (j *Journal) settle(s *scanner) error {
	x := j.found.extent
	if j.found.cut = s.size - x.end; j.found.cut > 0 {
		if err := j.file.Truncate(x.end); err != nil {
			return err
		}
		s.size = x.end
	}
	for at := x.sealed - frameBytes; at < x.end; {
		n := int(min(x.end-at, windowBytes))
		b, err := s.read(at, n)
		if err != nil {
			return err
		}
		if _, err := j.file.WriteAt(b, at); err != nil {
			return err
		}
		at += int64(n)
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	if x.sealed == x.end {
		j.begin(x.end, s.number)
		return nil
	}
	j.begin(x.end+frameBytes, s.number)
	return j.seal(x.end, s.number)
}
