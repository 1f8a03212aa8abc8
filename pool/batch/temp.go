package batch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool/batch/outfile"
	"example.com/handoff/pool/journal"
)

// A temp is a file beside the output that becomes it whole.
type temp struct {
	fs   journal.FS
	f    journal.File
	name string // of the hidden file; "" if it has none
	out  string
	own  *outfile.File // without a journal; nil with one
}

// openTemp opens the job's temporary file, which may be there from an earlier run.
func (e *engine) openTemp(suffix string) (*temp, error) { return e.openTempOf(e.out, suffix) }

// openTempOf makes a file that is gone with this process where no journal is there by
// which another one would go on with it.
func (e *engine) openTempOf(out, suffix string) (*temp, error) {
	if e.store == nil {
		own, err := outfile.Create(out)
		if err != nil {
			return nil, outputError(out, err)
		}
		return &temp{fs: e.fs, f: own, name: own.Name(), out: out, own: own}, nil
	}
	t := &temp{fs: e.fs, out: out, name: e.tempNameOf(out, suffix)}
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

func (e *engine) tempNameOf(out, suffix string) string { return outfile.HiddenName(out, e.id+suffix) }

// untouched reports, as an error, that somebody else has cut, lengthened, removed or
// replaced the file. Between this and the next write it goes unnoticed.
func (t *temp) untouched(size int64) error {
	mine, err := t.f.Stat()
	if err != nil {
		return err
	}
	if mine.Size() != size {
		return fmt.Errorf("the hidden file of %s has %d bytes, and %d were written: %w", t.out, mine.Size(), size, ErrStartAgain)
	}
	if t.name == "" {
		return nil
	}
	there, err := t.fs.Stat(t.name)
	if is, was := files.IdentityOf, files.IdentityOf(mine); err != nil || is(there).Inode != was.Inode || is(there).Device != was.Device {
		return fmt.Errorf("%s was removed or replaced while the job ran: %w", t.name, ErrStartAgain)
	}
	return nil
}

// publish gives the file, which is synced, the output's name.
func (t *temp) publish() error {
	if t.own != nil {
		return outputErrorOf(t.out, t.own.Commit())
	}
	if info, err := t.fs.Stat(t.out); err == nil && info.Mode().IsRegular() {
		_ = os.Chmod(t.name, info.Mode().Perm()) // as the file that it replaces
	}
	return outputErrorOf(t.out, t.fs.Rename(t.name, t.out))
}

func (t *temp) close() error { return t.f.Close() }

func (t *temp) remove() error {
	err := t.f.Close()
	if t.own == nil {
		err = errors.Join(err, t.fs.Remove(t.name))
	}
	return err
}

// outputError names the output and not a temporary file beside it.
func outputError(name string, err error) error {
	return fmt.Errorf("cannot write the output %s: %w", name, outfile.Cause(err))
}

func outputErrorOf(name string, err error) error {
	if err != nil {
		err = outputError(name, err)
	}
	return err
}
