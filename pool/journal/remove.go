package journal

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// Remove ends the journal without a sync and removes its file; then its folder, if
// Create has made it, nothing else is in it and it was not opened through a link. When
// it returns nil, that is durable. The journal is closed afterwards, also after an error, and may still be in its
// folder then. Remove returns ErrClosed after Close.
func (j *Journal) Remove() error {
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	if errors.Is(j.pending.close(), ErrClosed) {
		return j.wrap("remove", ErrClosed)
	}
	err := j.fs.Remove(j.path())
	if err == nil {
		err = j.fs.SyncDir(j.dir)
	}
	err = errors.Join(err, j.file.Close(), j.lock.Close())
	if err == nil && j.prefix.flags&flagMade != 0 {
		err = removeFolder(j.fs, j.dir)
	}
	return j.wrap("remove", err)
}

// removeFolder removes an empty folder, but not a link to one. Somebody may put
// something into it, or take it away, at any time.
func removeFolder(fsys FS, dir string) error {
	if info, err := fsys.Stat(dir); err == nil && !info.IsDir() {
		return nil
	}
	for {
		names, err := fsys.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(names) > 0 {
			return nil
		}
		if err != nil {
			return err
		}
		if err = fsys.Remove(dir); err == nil {
			return fsys.SyncDir(filepath.Dir(dir))
		}
		if names, e := fsys.ReadDir(dir); e == nil && len(names) == 0 {
			return err
		}
	}
}
