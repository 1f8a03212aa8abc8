package batch

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool/batch/outfile"
)

// finish makes the output appear, in steps that a later run can do again: the file
// is whole under its temporary name; the journal says so; it gets its name; the
// journal goes, or says that too.
func (e *engine) finish() error {
	if err := e.writeQuarantine(); err != nil {
		return err
	}
	if err := e.writeBad(); err != nil {
		return err
	}
	if err := e.removeStale(); err != nil {
		return err
	}
	t, err := e.wholeOutput()
	if err != nil || t == nil {
		return err
	}
	info, err := t.f.Stat()
	if err != nil {
		return err
	}
	id := files.IdentityOf(info)
	if err := e.store.note(recordSeal, sealRecord{Size: id.Size, Device: id.Device, Inode: id.Inode, Summary: e.summary()}); err != nil {
		return err
	}
	if err := t.publish(); err != nil {
		return err
	}
	e.end()
	return nil
}

// end is what follows when the output has its name. The job is done then, so what goes
// wrong is a warning. As long as the name is not durable the journal stays: after a
// loss of power another run has to give it again.
func (e *engine) end() {
	e.kept = true
	if e.store != nil {
		for _, suffix := range []string{"", reordered} {
			if err := e.fs.Remove(e.tempName(suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				e.warn(fmt.Errorf("a hidden file stays beside the output: %w", err))
			}
		}
	}
	if err := e.fs.SyncDir(filepath.Dir(e.out)); err != nil {
		e.warn(fmt.Errorf("the output %s is whole, but its folder cannot be synced: a loss of power may take its name: %w", e.out, outfile.Cause(err)))
		return
	}
	switch {
	case e.store == nil:
	case e.job.KeepState:
		if err := e.store.note(recordDone, e.summary()); err != nil {
			e.warn(fmt.Errorf("the output %s is whole, but the state does not say so: %w", e.out, err))
		}
	default:
		if err := e.store.journal.Remove(); err != nil {
			e.warn(fmt.Errorf("the output %s is whole, but its state folder stays: %w", e.out, err))
		}
	}
}

func (e *engine) warn(err error) { e.warnings = append(e.warnings, err) }

// removeStale removes an earlier run's files of what was left out, where this run has
// left nothing out: they would be taken for its own.
func (e *engine) removeStale() error {
	stale := []string{}
	if len(e.left) == 0 {
		stale = append(stale, e.job.QuarantineFile)
	}
	if !e.bad.any() {
		stale = append(stale, e.job.InputQuarantine)
	}
	for _, name := range stale {
		if name == "" {
			continue
		}
		if err := e.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot remove %s, which an earlier run has written: %w", name, outfile.Cause(err))
		}
	}
	return nil
}

// wholeOutput is the output under its temporary name, synced; nil without Out.
func (e *engine) wholeOutput() (*temp, error) {
	if e.sink != nil {
		err := e.sink.seal(func() (*temp, error) { return e.openTemp(reordered) })
		return e.sink.temp, outputErrorOf(e.out, err)
	}
	if e.out == "" {
		return nil, nil
	}
	b, err := resultBytes(e.value, e.out)
	if err != nil {
		return nil, err
	}
	e.whole, err = e.writeTemp(e.out, b)
	return e.whole, err
}

// reordered is the suffix of a second temporary file.
const reordered = "-2"

// writeTemp writes a whole file under the temporary name of out.
func (e *engine) writeTemp(out string, b []byte) (*temp, error) {
	t, err := e.openTempOf(out, "")
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
func (e *engine) writeFile(out string, b []byte) error {
	t, err := e.writeTemp(out, b)
	if err != nil {
		return err
	}
	if err := t.publish(); err != nil {
		return errors.Join(err, t.remove())
	}
	if e.store != nil {
		err = outputErrorOf(out, e.fs.SyncDir(filepath.Dir(out)))
	}
	return errors.Join(err, t.close())
}

// publishSealed goes on where an earlier run has ended between the journal's word
// that the output is whole and its end.
func (e *engine) publishSealed() error {
	seal := e.store.seal
	name := ""
	for _, suffix := range []string{"", reordered} {
		if info, err := e.fs.Stat(e.tempName(suffix)); err == nil && seal.is(info) {
			name = e.tempName(suffix)
		}
	}
	if name == "" {
		if err := e.checkPublished(); err != nil {
			return err
		}
	} else if err := (&temp{fs: e.fs, name: name, out: e.out}).publish(); err != nil {
		return err
	}
	e.summed = &seal.Summary
	e.end()
	return nil
}

// checkPublished holds the output against the one that the job has written.
func (e *engine) checkPublished() error {
	if info, err := e.fs.Stat(e.out); e.store.seal == nil || err != nil || !e.store.seal.is(info) {
		return fmt.Errorf("the job is finished, and its output %s is not there any more, or is another file: %w", e.out, ErrStartAgain)
	}
	return nil
}

// is reports whether a file is the one of the record.
func (r *sealRecord) is(info fs.FileInfo) bool {
	id := files.IdentityOf(info)
	return id.Size == r.Size && id.Device == r.Device && id.Inode == r.Inode
}

func checkResultName(out string) error {
	switch ext := strings.ToLower(filepath.Ext(out)); ext {
	case ".arrow", ".feather", ".ipc", ".parquet":
		return fmt.Errorf("cannot write the output %s: the result is no rows: JSON, or CSV as .csv", out)
	}
	return nil
}

// resultBytes is the result of a reduction as a file: CSV by its name, else JSON.
func resultBytes(v any, out string) ([]byte, error) {
	if strings.EqualFold(filepath.Ext(out), ".csv") {
		t, ok := v.(Table)
		if !ok {
			return nil, fmt.Errorf("cannot write the output %s: the result is no table: JSON it can be", out)
		}
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		header, rows := t.Table()
		if err := errors.Join(w.Write(header), w.WriteAll(rows)); err != nil {
			return nil, err
		}
		return b.Bytes(), nil
	}
	b, err := json.MarshalIndent(v, "", "  ")
	return append(b, '\n'), err
}

func (e *engine) result() *Result {
	r := &Result{
		Value: e.value, Skipped: e.skipped, Quarantined: e.left, FromStart: e.fromStart,
		Unparsed: e.unparsed(), Summary: e.summary(), Finished: e.summed != nil, Warnings: e.warnings,
	}
	for _, text := range e.text {
		if !text {
			r.Columns++
		}
	}
	if e.summed != nil {
		r.Columns = -1
	}
	return r
}
