package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"example.com/handoff/bench/stat"
	"example.com/handoff/pool/batch/outfile"
)

// An output is a file that appears whole or not at all, or a stream. What is
// written is kept in memory until Commit: a process killed before leaves nothing.
type output struct {
	bytes.Buffer
	name string    // of the file; "" for a stream
	w    io.Writer // the stream
}

// openOutput says at once if name cannot be written, before any work is done.
// "-" is stdout; something that is no regular file (a pipe, /dev/null) is
// written as it is; "" is no output at all.
func openOutput(name string, stdout io.Writer) (*output, error) {
	switch name {
	case "":
		return &output{w: io.Discard}, nil
	case "-":
		if _, err := stdout.Write(nil); err != nil { // closed, or on a device that is full
			return nil, fmt.Errorf("cannot write the output: %w", err)
		}
		return &output{w: stdout}, nil
	}
	info, err := os.Stat(name)
	if err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		return &output{w: &latePipe{name}}, nil
	}
	if isStream(name) || err == nil && info.IsDir() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0) // open until the process ends
		if err != nil {
			return nil, fmt.Errorf("cannot write the output: %w", err)
		}
		return &output{w: f}, nil
	}
	path, err := outfile.Resolve(name)
	if err != nil {
		return nil, outputError(name, err)
	}
	return &output{name: path}, nil
}

// A latePipe is opened when it is written to.
type latePipe struct{ name string }

func (p *latePipe) Write(b []byte) (int, error) {
	f, err := openPipe(p.name)
	if err != nil {
		return 0, err
	}
	n, err := f.Write(b)
	return n, errors.Join(err, f.Close())
}

// isStream reports whether an output is something that cannot be replaced: a pipe, a
// device, what /dev/stdout leads to.
func isStream(name string) bool {
	name, err := filepath.Abs(name)
	if err != nil || strings.HasPrefix(name, "/dev/shm/") {
		return false
	}
	info, err := os.Stat(name)
	return strings.HasPrefix(name, "/dev/") || strings.HasPrefix(name, "/proc/") || err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// outputError names the output and not a temporary file beside it.
func outputError(name string, err error) error {
	return fmt.Errorf("cannot write the output %s: %w", name, outfile.Cause(err))
}

// Commit makes the output appear.
func (o *output) Commit() error {
	if o.name == "" {
		if _, err := o.w.Write(o.Bytes()); err != nil {
			return fmt.Errorf("cannot write the output: %w", err)
		}
		return nil
	}
	f, err := outfile.Create(o.name)
	if err != nil {
		return outputError(o.name, err)
	}
	_, err = f.Write(o.Bytes())
	if err == nil {
		err = f.Commit()
	}
	closing := f.Close()
	if err != nil {
		return outputError(o.name, errors.Join(err, closing))
	}
	return nil
}

// writeJSON writes v indented, with a final newline.
func writeJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// human is a number of bytes for people: "1.53 MiB".
func human(bytes int64) string { return stat.Size(bytes) }
