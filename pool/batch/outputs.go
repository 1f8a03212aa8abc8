package batch

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool/batch/outfile"
	"example.com/handoff/pool/journal"
)

// outputs are the files that a job writes, its journal among them. Calls that reach
// the disk are made on disk's goroutine, and one at a time: it owns sink, result,
// published and warnings while a call runs. The rest is set before the first pass.
type outputs struct {
	fs    journal.FS
	disk  *disk
	store *store // nil without Job.State
	id    string // of the job, in the names of hidden files
	path  string // Job.Out, absolute and no link; "" without

	sink      *sink // nil before there are rows to write, and for a reduction
	result    *temp // a reduction's output, once it is written
	published bool  // the output has its name
	warnings  []error
}

// resolve says early what is wrong with the files that the job writes.
func (o *outputs) resolve(job *Job) error {
	if name := job.QuarantineFile; name != "" {
		if _, err := files.FormatOf(name); err != nil {
			return err
		}
	}
	o.path = job.Out
	for _, name := range []*string{&o.path, &job.QuarantineFile, &job.InputQuarantine} {
		if *name == "" {
			continue
		}
		path, err := outfile.Resolve(*name)
		if err != nil {
			return outputError(*name, err)
		}
		if job.State != "" { // the journal relies on what is in the folder
			if err := o.disk.try(func() error { return o.fs.SyncDir(filepath.Dir(path)) }); err != nil {
				return fmt.Errorf("cannot write the output %s: its folder cannot be synced: %w", *name, outfile.Cause(err))
			}
		}
		*name = path
	}
	return nil
}

// beginOutput opens the file for output rows.
func (e *engine) beginOutput() error {
	o := &e.outputs
	fields := e.passes[len(e.passes)-1].Output
	switch {
	case fields == nil && o.path == "":
		return nil
	case fields == nil:
		return checkResultName(o.path)
	case o.path == "":
		return fmt.Errorf("%w: op %s", ErrNoOut, e.op.Name)
	case len(fields) == 0:
		return fmt.Errorf("%s: there is no numeric column to give to %s", e.job.Inputs[0], e.op.Name)
	}
	format, err := files.FormatOf(o.path)
	if err != nil {
		return err
	}
	var done []extent
	for _, c := range o.store.done(len(e.passes) - 1) {
		done = append(done, c.extents...)
	}
	return o.disk.try(func() error {
		open := func() (*temp, error) { return o.openTemp(o.path, "") }
		if len(done) > 0 {
			open = func() (*temp, error) { return o.reopenTemp(o.path) }
		}
		t, err := open()
		if err != nil {
			return err
		}
		if o.sink, err = newSink(t, format, arrow.NewSchema(fields, nil), done); err != nil {
			if o.store == nil || o.store.fresh {
				return errors.Join(err, t.remove())
			}
			return errors.Join(err, t.close())
		}
		return nil
	})
}

func checkResultName(out string) error {
	switch ext := strings.ToLower(filepath.Ext(out)); ext {
	case ".arrow", ".feather", ".ipc", ".parquet":
		return fmt.Errorf("cannot write the output %s: the result is no rows: JSON, or CSV as .csv", out)
	}
	return nil
}

// removeIfThere removes a file that need not be there.
func (o *outputs) removeIfThere(name string) error {
	if err := o.fs.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (o *outputs) warn(err error) { o.warnings = append(o.warnings, err) }

// close closes the files, and removes those that no later run can go on with. none: no
// chunk is done.
func (o *outputs) close(none bool) error {
	drop := none && !o.published && o.store != nil && o.store.fresh
	var errs []error
	o.disk.do(func() {
		temps := []*temp{o.result}
		if o.sink != nil {
			temps = append(temps, o.sink.temp, o.sink.old)
		}
		for _, t := range temps {
			if t != nil && !o.published && (o.store == nil || drop) {
				errs = append(errs, t.remove())
			} else if t != nil {
				errs = append(errs, t.close())
			}
		}
		if drop {
			errs = append(errs, o.store.journal.Remove())
		} else if o.store != nil {
			if err := o.store.journal.Close(); !errors.Is(err, journal.ErrClosed) {
				errs = append(errs, err)
			}
		}
	})
	o.disk.close()
	return errors.Join(errs...)
}
