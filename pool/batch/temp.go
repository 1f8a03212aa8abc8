package batch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool/journal"
)

// A temp is a file beside the output that becomes it whole.
type temp struct {
	fs   journal.FS
	f    journal.File
	name string // "" of one that has no name, and is gone with this process
	out  string
}

// openTemp opens the job's temporary file, which may be there from an earlier run.
// Without a journal nobody would go on with it, so it gets no name where the file
// system can do that.
func (e *engine) openTemp(suffix string) (*temp, error) { return e.openTempOf(e.out, suffix) }

func (e *engine) openTempOf(out, suffix string) (*temp, error) {
	t := &temp{fs: e.fs, out: out}
	if e.store == nil {
		if f, err := openNameless(filepath.Dir(out)); err == nil {
			t.f = f
			return t, nil
		}
	}
	t.name = e.tempNameOf(out, suffix)
	f, err := e.fs.OpenFile(t.name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, outputError(out, err)
	}
	t.f = f
	if err := e.fs.SyncDir(filepath.Dir(out)); err != nil { // the journal is about to rely on it
		return nil, errors.Join(outputError(out, err), t.remove())
	}
	return t, nil
}

func (e *engine) tempName(suffix string) string { return e.tempNameOf(e.out, suffix) }

func (e *engine) tempNameOf(out, suffix string) string {
	return filepath.Join(filepath.Dir(out), fmt.Sprintf(".%.100s.handoff-%s%s", filepath.Base(out), e.id, suffix))
}

// untouched reports, as an error, that somebody else has cut, lengthened, removed or
// replaced the file. Between this and the next write it goes unnoticed.
func (t *temp) untouched(size int64) error {
	mine, err := t.f.Stat()
	if err != nil {
		return err
	}
	if mine.Size() != size {
		return fmt.Errorf("%s has %d bytes, and %d were written: start again with a new state folder", t.name, mine.Size(), size)
	}
	if t.name == "" {
		return nil
	}
	there, err := t.fs.Stat(t.name)
	if is, was := files.IdentityOf, files.IdentityOf(mine); err != nil || is(there).Inode != was.Inode || is(there).Device != was.Device {
		return fmt.Errorf("%s was removed or replaced while the job ran: start again with a new state folder", t.name)
	}
	return nil
}

// publish gives the file, which is synced, the output's name.
func (t *temp) publish(name func(suffix string) string) error {
	if t.name == "" {
		t.name = name("")
		if err := linkNameless(t.f, t.name); err != nil {
			return outputError(t.out, err)
		}
	}
	if info, err := t.fs.Stat(t.out); err == nil && info.Mode().IsRegular() {
		os.Chmod(t.name, info.Mode().Perm()) // as the file that it replaces
	}
	err := t.fs.Rename(t.name, t.out)
	if err == nil {
		err = t.fs.SyncDir(filepath.Dir(t.out))
	}
	if err != nil {
		return outputError(t.out, err)
	}
	return nil
}

func (t *temp) close() error { return t.f.Close() }

func (t *temp) remove() error {
	err := t.f.Close()
	if t.name != "" {
		err = errors.Join(err, t.fs.Remove(t.name))
	}
	return err
}

// outputError names the output and not a temporary file beside it.
func outputError(name string, err error) error {
	var path *fs.PathError
	var link *os.LinkError
	if errors.As(err, &path) {
		err = path.Err
	} else if errors.As(err, &link) {
		err = link.Err
	}
	return fmt.Errorf("cannot write the output %s: %w", name, err)
}
