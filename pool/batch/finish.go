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
	if err := e.outputs.store.note(recordSeal, sealRecord{Size: id.Size, Device: id.Device, Inode: id.Inode, Summary: e.summary()}); err != nil {
		return err
	}
	if err := t.publish(); err != nil {
		return err
	}
	e.end()
	return nil
}

// end does what follows when the output has its name. The job is done then, so what goes
// wrong is a warning. As long as the name is not durable the journal stays: after a
// loss of power another run has to give it again.
func (e *engine) end() {
	o := &e.outputs
	o.published = true
	if o.store != nil {
		for _, suffix := range []string{"", reordered} {
			if err := o.removeIfThere(o.tempName(o.path, suffix)); err != nil {
				o.warn(fmt.Errorf("a hidden file stays beside the output: %w", err))
			}
		}
	}
	if err := o.fs.SyncDir(filepath.Dir(o.path)); err != nil {
		o.warn(fmt.Errorf("the output %s is whole, but its folder cannot be synced: a loss of power may take its name: %w", o.path, outfile.Cause(err)))
		return
	}
	switch {
	case o.store == nil:
	case e.job.KeepState:
		if err := o.store.note(recordDone, e.summary()); err != nil {
			o.warn(fmt.Errorf("the output %s is whole, but the state does not say so: %w", o.path, err))
		}
	default:
		if err := o.store.journal.Remove(); err != nil {
			o.warn(fmt.Errorf("the output %s is whole, but its state folder stays: %w", o.path, err))
		}
	}
}

// removeStale removes an earlier run's files of what was left out, where this run has
// left nothing out: they would be taken for its own.
func (e *engine) removeStale() error {
	var stale []string
	if len(e.tally.quarantined) == 0 {
		stale = append(stale, e.job.QuarantineFile)
	}
	if e.source.bad.count() == 0 {
		stale = append(stale, e.job.InputQuarantine)
	}
	for _, name := range stale {
		if name == "" {
			continue
		}
		if err := e.outputs.removeIfThere(name); err != nil {
			return fmt.Errorf("cannot remove %s, which an earlier run has written: %w", name, outfile.Cause(err))
		}
	}
	return nil
}

// wholeOutput returns the output under its temporary name, synced; nil without Out.
func (e *engine) wholeOutput() (*temp, error) {
	o := &e.outputs
	if o.sink != nil {
		err := o.sink.seal(func() (*temp, error) { return o.openTemp(o.path, reordered) })
		return o.sink.temp, outputErrorOf(o.path, err)
	}
	if o.path == "" {
		return nil, nil
	}
	b, err := resultBytes(e.value, o.path)
	if err != nil {
		return nil, err
	}
	o.result, err = o.writeTemp(o.path, b)
	return o.result, err
}

// publishSealed goes on where an earlier run has ended after the journal had said that
// the output is whole.
func (e *engine) publishSealed() error {
	o := &e.outputs
	name := ""
	for _, suffix := range []string{"", reordered} {
		temp := o.tempName(o.path, suffix)
		if info, err := o.fs.Stat(temp); err == nil && o.store.seal.is(info) {
			name = temp
		}
	}
	if name == "" {
		if err := o.checkPublished(); err != nil {
			return err
		}
	} else if err := (&temp{fs: o.fs, name: name, out: o.path}).publish(); err != nil {
		return err
	}
	e.finished = &o.store.seal.Summary
	e.end()
	return nil
}

// checkPublished compares the output with the one that the job has written.
func (o *outputs) checkPublished() error {
	if info, err := o.fs.Stat(o.path); o.store.seal == nil || err != nil || !o.store.seal.is(info) {
		return fmt.Errorf("the job is finished, and its output %s is not there any more, or is another file: %w", o.path, ErrStartAgain)
	}
	return nil
}

// is reports whether a file is the one of the record.
func (r *sealRecord) is(info fs.FileInfo) bool {
	id := files.IdentityOf(info)
	return id.Size == r.Size && id.Device == r.Device && id.Inode == r.Inode
}

// resultBytes encodes the result of a reduction: CSV by its name, else JSON.
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
