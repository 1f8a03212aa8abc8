package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
	"golang.org/x/perf/benchunit"
)

// An output is a file that appears whole or not at all, or a stream.
type output struct {
	w       io.Writer
	pending *renameio.PendingFile // nil for a stream
	file    *os.File              // a stream that we opened
}

// openOutput says at once if name cannot be written, before any work is done.
// "-" is stdout; something that is no regular file (a pipe, /dev/null) is
// written as it is; "" is no output at all. The caller calls Drop in any case.
func openOutput(name string, stdout io.Writer) (*output, error) {
	switch name {
	case "":
		return &output{w: io.Discard}, nil
	case "-":
		return &output{w: stdout}, nil
	}
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // what a link points to is replaced, not the link
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("cannot write the output: %w", err)
		}
		return &output{w: f, file: f}, nil
	}
	p, err := renameio.NewPendingFile(name, renameio.WithTempDir(filepath.Dir(name)), renameio.WithPermissions(0o644), renameio.WithExistingPermissions())
	if err != nil {
		var path *fs.PathError // names the temporary file
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, fmt.Errorf("cannot write the output %s: %w", name, err)
	}
	return &output{w: p, pending: p}, nil
}

// Write adds to the output.
func (o *output) Write(b []byte) (int, error) { return o.w.Write(b) }

// Commit makes the output appear.
func (o *output) Commit() error {
	var err error
	switch {
	case o.pending != nil:
		err = o.pending.CloseAtomicallyReplace()
	case o.file != nil:
		err = o.file.Close()
	}
	if err != nil {
		return fmt.Errorf("cannot write the output: %w", err)
	}
	o.pending, o.file = nil, nil
	return nil
}

// Drop removes an output that was not committed.
func (o *output) Drop() {
	if o.pending != nil {
		o.pending.Cleanup()
	}
	if o.file != nil {
		o.file.Close()
	}
}

// writeJSON writes v indented, with a final newline.
func writeJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if _, err = w.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("cannot write the output: %w", err)
	}
	return nil
}

// sameFile reports whether two names are one file, which may not exist yet.
func sameFile(a, b string) bool {
	ia, errA := os.Stat(a)
	ib, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(ia, ib) && ia.Mode().IsRegular()
	}
	return errA != nil && errB != nil && filepath.Clean(a) == filepath.Clean(b)
}

// human is a number of bytes for people: "1.53 MiB".
func human(bytes int64) string {
	if bytes < 1<<10 {
		return fmt.Sprintf("%d B", bytes)
	}
	scale := benchunit.CommonScale([]float64{float64(bytes)}, benchunit.Binary)
	return fmt.Sprintf("%.2f %sB", float64(bytes)/scale.Factor, scale.Prefix)
}

// commitAll commits every output, or drops those that are left.
func commitAll(outputs ...*output) error {
	var errs []error
	for _, o := range outputs {
		if len(errs) == 0 {
			if err := o.Commit(); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
