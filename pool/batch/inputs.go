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

// compare compares the job with the one whose journal it is to resume. An input that
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
			differ(fmt.Sprintf("input %d", i+1), was.Inputs[i].Path, in.Path)
		}
	}
	if diffs == nil {
		for i, in := range h.Inputs {
			diff, err := s.changed(ctx, i, in)
			if err != nil {
				return err
			}
			if diff != "" {
				diffs = append(diffs, fmt.Sprintf("%s has changed: %s", in.Path, diff))
			}
		}
	}
	if diffs != nil {
		return fmt.Errorf("%w: %s: give the same again, or another state folder", ErrOtherJob, strings.Join(diffs, "; "))
	}
	return nil
}

// changed says how an input differs from what it was; "" if it is the same. One that
// looks as it did is. One that was copied, moved, touched or given other attributes is
// told by its hash, or by its size and time while the journal has no hash of it.
func (s *store) changed(ctx context.Context, i int, in input) (string, error) {
	was := s.header.Inputs[i].Identity
	diff := was.Diff(in.Identity)
	hash, known := s.hashes[i]
	switch {
	case diff == "" || !known && was.SameContent(in.Identity):
		return "", nil
	case was.Size != in.Identity.Size:
		return diff, nil
	case !known:
		return diff + ", and no hash of it was taken that would tell whether its content has", nil
	}
	is, err := hashFile(ctx, in.Path, 0)
	if err != nil || bytes.Equal(is, hash) {
		return "", err
	}
	return diff + ", and its content is another", nil
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
// has run for a while. Small inputs are hashed before it begins.
const (
	hashPause = 5 * time.Millisecond
	hashAfter = time.Second
	hashSmall = 4 << 20 // bytes, of all inputs together
)

// hashInputs puts hashes of the inputs' content into the journal, beside the job and
// without haste: they are asked for only if a file is touched or copied between two
// runs. wait ends it.
func (e *engine) hashInputs(ctx context.Context) (wait func()) {
	if e.outputs.store == nil {
		return func() {}
	}
	size := int64(0)
	for _, in := range e.source.inputs {
		size += in.Identity.Size
	}
	if size <= hashSmall {
		e.hashAll(ctx, 0)
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case <-time.After(hashAfter - time.Since(e.start)):
			e.hashAll(ctx, hashPause)
		case <-ctx.Done():
		}
	}()
	return func() { cancel(); <-done }
}

// hashAll ends at a file that cannot be read or has changed: the job's reading says so.
func (e *engine) hashAll(ctx context.Context, pause time.Duration) {
	for i, in := range e.source.inputs {
		if e.outputs.store.hashes[i] != nil {
			continue
		}
		sum, err := hashFile(ctx, in.Path, pause)
		id, again := files.Identify(in.Path)
		if err != nil || again != nil || !in.Identity.SameContent(id) {
			return
		}
		if e.outputs.store.append(recordHash, hashRecord{i, sum}) != nil {
			return
		}
	}
}
