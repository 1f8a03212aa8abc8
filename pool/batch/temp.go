package batch

import (
	"errors"
	"fmt"
	"io/fs"
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

// reordered is the suffix of a second temporary file.
const reordered = "-2"

// openTemp opens a temporary file of an output. With a journal an earlier run may have
// made it; without one it is gone with this process.
func (o *outputs) openTemp(out, suffix string) (*temp, error) {
	if o.store == nil {
		own, err := outfile.Create(out)
		if err != nil {
			return nil, outputError(out, err)
		}
		return &temp{fs: o.fs, f: own, name: own.Name(), out: out, own: own}, nil
	}
	t := &temp{fs: o.fs, out: out, name: o.tempName(out, suffix)}
	f, err := o.fs.OpenFile(t.name, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, outputError(out, err)
	}
	t.f = f
	if err := o.fs.SyncDir(filepath.Dir(out)); err != nil { // the journal is about to rely on it
		return nil, errors.Join(outputError(out, err), t.remove())
	}
	return t, nil
}

// reopenTemp opens the temporary file of an output in which an earlier run has put rows.
func (o *outputs) reopenTemp(out string) (*temp, error) {
	t := &temp{fs: o.fs, out: out, name: o.tempName(out, "")}
	f, err := o.fs.OpenFile(t.name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s, which has the rows that are done, is gone: %w", t.name, ErrStartAgain)
	}
	if err != nil {
		return nil, outputError(out, err)
	}
	t.f = f
	return t, nil
}

func (o *outputs) tempName(out, suffix string) string { return outfile.HiddenName(out, o.id+suffix) }

// writeTemp writes a whole file under the temporary name of out.
func (o *outputs) writeTemp(out string, b []byte) (*temp, error) {
	t, err := o.openTemp(out, "")
	if err != nil {
		return nil, err
	}
	err = t.f.Truncate(0)
	if err == nil {
		_, err = t.f.WriteAt(b, 0)
	}
	if err == nil {
		err = t.f.Sync()
	}
	if err != nil {
		return nil, errors.Join(outputError(out, err), t.remove())
	}
	return t, nil
}

// writeFile makes a whole file appear.
func (o *outputs) writeFile(out string, b []byte) error {
	t, err := o.writeTemp(out, b)
	if err != nil {
		return err
	}
	if err := t.publish(); err != nil {
		return errors.Join(err, t.remove())
	}
	if o.store != nil {
		err = outputErrorOf(out, o.fs.SyncDir(filepath.Dir(out)))
	}
	return errors.Join(err, t.close())
}

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
