package batch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.com/handoff/arrowipc/files"
)

// An input is a file as it was when the job began.
type input struct {
	Path     string         `json:"path"` // absolute
	Identity files.Identity `json:"identity"`
}

func identify(paths []string) (inputs []input, err error) {
	for _, path := range paths {
		id, err := files.Identify(path)
		if err != nil {
			return nil, err
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, input{abs, id})
	}
	return inputs, nil
}

// ErrOtherJob: the journal is of another job, or its inputs have changed since.
var ErrOtherJob = errors.New("the state folder is of another job")

// compare holds the job against the one whose journal it is to resume. An input that
// another file has replaced, or that was touched, is the same if its content is.
func (s *store) compare(ctx context.Context, h header) error {
	was := s.header
	var diffs []string
	differ := func(what string, was, is any) {
		if was, is := fmt.Sprint(was), fmt.Sprint(is); was != is {
			diffs = append(diffs, fmt.Sprintf("%s was %s, is %s", what, was, is))
		}
	}
	columns := func(names []string) string {
		if names == nil {
			return "all"
		}
		return strings.Join(names, ",")
	}
	differ("the op", was.Op, h.Op)
	differ("the choice of columns", columns(was.Columns), columns(h.Columns))
	differ("the number of rows of a chunk", was.ChunkRows, h.ChunkRows)
	differ("the output", was.Out, h.Out)
	differ("the number of inputs", len(was.Inputs), len(h.Inputs))
	if diffs == nil {
		for i, in := range h.Inputs {
			old := was.Inputs[i]
			differ(fmt.Sprintf("input %d", i+1), old.Path, in.Path)
			diff := old.Identity.Diff(in.Identity)
			if diff == "" || old.Path != in.Path {
				continue
			}
			hash, known := s.hashes[i]
			if known && old.Identity.Size == in.Identity.Size {
				is, err := hashFile(ctx, in.Path, 0)
				if err != nil {
					return err
				}
				if bytes.Equal(is, hash) {
					continue
				}
				diff += ", and its content is another"
			}
			diffs = append(diffs, fmt.Sprintf("%s has changed: %s", in.Path, diff))
		}
	}
	if diffs != nil {
		return fmt.Errorf("%w: %s: give the same again, or another state folder", ErrOtherJob, strings.Join(diffs, "; "))
	}
	return nil
}

// hashFile reads a file, with a pause before each 256 KiB.
func hashFile(ctx context.Context, path string, pause time.Duration) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	for buf := make([]byte, 256<<10); ; {
		if pause > 0 {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		n, err := f.Read(buf)
		sum.Write(buf[:n])
		if err == io.EOF {
			return sum.Sum(nil), nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Hashing takes some hundredths of a core, for 50 MB a second, and begins when the job
// has run for a while; small files are hashed at once.
const (
	hashPause = 5 * time.Millisecond
	hashAfter = time.Second
	hashSmall = 4 << 20 // bytes
)

// hashInputs puts hashes of the inputs' content into the journal, beside the job and
// without haste: they are asked for only if a file is touched or copied between two
// runs. wait ends it.
func (e *engine) hashInputs(ctx context.Context) (wait func()) {
	if e.store == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i, in := range e.inputs {
			if e.store.hashes[i] != nil {
				continue
			}
			pause := time.Duration(0)
			if in.Identity.Size > hashSmall {
				pause = hashPause
				select {
				case <-time.After(hashAfter - time.Since(e.start)):
				case <-ctx.Done():
				}
			}
			sum, err := hashFile(ctx, in.Path, pause)
			id, again := files.Identify(in.Path)
			if err != nil || again != nil || in.Identity.Diff(id) != "" {
				return // reading it says so
			}
			if rec, err := jsonRecord(recordHash, hashRecord{i, sum}); err == nil && e.store.journal.Append(rec) != nil {
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
