package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const createTries = 100

// madeMode is the mode of a folder that Create makes. The sticky bit, which has no
// other effect there, is set by the call that makes the folder: so the next Create
// knows it for one of ours where a killed process has left it without a journal.
const madeMode = 0o700 | fs.ModeSticky

// Create makes a journal with a header of at most MaxRecord bytes in a folder, which
// it makes (mode 01700) if it is not there; the folder above it must be. When Create
// returns nil, the journal survives the loss of power.
//
// Errors: ErrExists, a *LockedError, ErrTooLarge, and those of the file system. After
// an error nothing is left, as far as it can be removed.
func Create(dir string, header []byte, opts *Options) (*Journal, error) {
	fsys, dir := opts.fs(), filepath.Clean(dir)
	if len(header) > MaxRecord {
		return nil, wrap("create", dir, fmt.Errorf("%w: a header of %d bytes, at most %d", ErrTooLarge, len(header), MaxRecord))
	}
	lock, made, err := lockFolder(fsys, dir)
	if err != nil {
		if made {
			_ = fsys.Remove(dir)
		}
		return nil, wrap("create", dir, err)
	}
	j := &Journal{fs: fsys, dir: dir, lock: lock, header: append([]byte{}, header...)}
	if err := j.create(made); err != nil {
		_ = lock.Close()
		if made {
			_ = fsys.Remove(dir)
		}
		return nil, wrap("create", dir, err)
	}
	return j, nil
}

// lockFolder makes the folder, if need be, and takes its lock. Whoever removes a
// journal may take the folder away in between.
func lockFolder(fsys FS, dir string) (lock io.Closer, made bool, err error) {
	for range createTries {
		made = false
		switch err = fsys.Mkdir(dir, madeMode); {
		case err == nil:
			made = true
		case !errors.Is(err, fs.ErrExist):
			return nil, false, err
		default:
			if err = isFolder(fsys, dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, false, err
			}
			info, e := fsys.Stat(dir)
			made = e == nil && info.Mode() == fs.ModeDir|madeMode
		}
		lock, err = fsys.Lock(filepath.Join(dir, lockName))
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return lock, made, err
}

// isFolder returns an error unless name is a folder, or leads to one.
func isFolder(fsys FS, name string) error {
	info, err := fsys.Stat(name + string(filepath.Separator) + ".")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && info.IsDir():
		return nil
	}
	if at, e := fsys.Stat(name); e == nil && at.Mode().IsRegular() {
		return fmt.Errorf("%q is a file, not a folder: give another name, or remove it", name)
	}
	if err == nil {
		err = fmt.Errorf("%q is not a folder", name)
	}
	return err
}

// create writes the journal under a temporary name and gives it its own.
func (j *Journal) create(made bool) (err error) {
	tmp := filepath.Join(j.dir, tmpName)
	if _, err := j.fs.Stat(j.path()); err == nil {
		return fmt.Errorf("%w: open it, or remove it", ErrExists)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := removeLeftover(j.fs, tmp); err != nil {
		return err
	}
	j.file, err = j.fs.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	name := tmp
	defer func() {
		if err != nil {
			j.file.Close()
			_ = j.fs.Remove(name)
		}
	}()
	var flags uint32
	if made {
		flags = flagMade
	}
	j.prefix = newPrefix(flags)
	b := j.prefix.append(nil)
	b = j.prefix.appendFrame(b, prefixBytes, kindHeader, 0, 0, j.header)
	seal := int64(len(b))
	b = j.prefix.appendFrame(b, seal, kindSeal, 1, seal, nil)
	if err := writeFull(j.file, b, 0); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	if err := j.fs.Rename(tmp, j.path()); err != nil {
		return err
	}
	name = j.path()
	j.begin(int64(len(b)), 1)
	return syncFolders(j.fs, j.dir, made)
}

// begin sets where the first group goes: behind a seal that ends at an offset.
func (j *Journal) begin(at int64, number uint64) {
	j.durable = at
	j.pending.begin(at, number)
}

// removeLeftover removes what a killed Create has left. The caller has the lock.
func removeLeftover(fsys FS, tmp string) error {
	if err := fsys.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncFolders makes the names durable: of the journal in its folder and, since a
// Create that was killed may have made it, of that in the folder above. If the latter
// may not be read, it was somebody else who made dir.
func syncFolders(fsys FS, dir string, made bool) error {
	if err := fsys.SyncDir(dir); err != nil {
		return err
	}
	err := fsys.SyncDir(filepath.Dir(dir))
	if !made && errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}
