package batch

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc"
	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool"
	"example.com/handoff/pool/batch/outfile"
	"example.com/handoff/pool/journal"
)

// An engine is one running job.
type engine struct {
	job    *Job
	op     *Op
	params map[string]string
	start  time.Time
	id     string // of the job

	fs     journal.FS
	disk   *disk  // where everything with store and sink is done
	store  *store // nil without State
	sink   *sink  // nil before there are rows to write
	whole  *temp  // a reduction's output, once it is written
	out    string // absolute, not a link; "" without Out
	inputs []input

	pool   *pool.Pool
	alloc  *arrowipc.Allocator
	copied atomic.Int64  // bytes, elsewhere than into the pool's arena
	ahead  *files.Reader // the first input, opened for its columns

	fields []arrow.Field
	schema *arrow.Schema // of the output's rows
	plan   Plan
	passes []Pass

	mu         sync.Mutex // of what the reader writes
	text       []bool     // by field: it turned out to be text
	skipped    []files.Skipped
	sawSkipped bool
	cut        []int // inputs without their end mark
	bad        badLines

	left      []Quarantined
	rows      int64 // of the last pass
	chunks    int64 // of all passes, and those of them that an earlier run has done
	reused    int64
	pass      int   // that came last, from 1
	inPass    int64 // chunks of it
	value     any
	summed    *Summary // of a job that was finished before
	fromStart bool
	kept      bool // the output has its name
	warnings  []error
}

// open gets ready whatever the job needs before its first chunk. done: there is
// nothing left to do.
func (e *engine) open(ctx context.Context) (done bool, err error) {
	if e.inputs, err = identify(e.job.Inputs); err != nil {
		return false, err
	}
	if e.fs = e.job.FS; e.fs == nil {
		e.fs = journal.OS()
	}
	e.disk = newDisk()
	if err := e.lookAtOutputs(); err != nil {
		return false, err
	}
	if e.job.State != "" {
		if err := e.openStore(ctx); err != nil {
			return false, err
		}
		if e.store.summed != nil {
			e.summed = e.store.summed
			return true, e.disk.try(e.checkPublished)
		}
		if e.store.seal != nil {
			return true, e.disk.try(e.publishSealed)
		}
	} else if e.id, err = newID(); err != nil {
		return false, err
	}
	if e.pool, err = pool.New(ctx, &e.job.Pool); err != nil {
		return false, err
	}
	if e.job.Started != nil {
		e.job.Started(e.pool)
	}
	e.alloc = arrowipc.NewAllocator(e.pool.Arena())
	return false, e.begin()
}

func (e *engine) openStore(ctx context.Context) error {
	id, err := newID()
	if err != nil {
		return err
	}
	h := header{
		Version: headerVersion, ID: id, Op: e.op.canonical(e.params), Inputs: e.inputs,
		Columns: e.job.Columns, ChunkRows: e.job.ChunkRows, Out: e.out,
	}
	err = e.disk.try(func() (err error) {
		e.store, e.fromStart, err = openStore(e.job, h)
		return err
	})
	if err != nil {
		e.store = nil
		return err
	}
	e.id = e.store.header.ID
	if err := e.store.compare(ctx, h); err != nil {
		return err
	}
	e.bad.add(e.store.bad)
	for _, pass := range e.store.chunks {
		for _, c := range pass {
			for _, q := range c.left {
				q.Input = e.job.Inputs[q.input]
				e.left = append(e.left, q)
			}
		}
	}
	return nil
}

func newID() (string, error) {
	b := make([]byte, 6)
	_, err := rand.Read(b)
	return hex.EncodeToString(b), err
}

// lookAtOutputs says early what is wrong with the files that the job writes.
func (e *engine) lookAtOutputs() (err error) {
	if name := e.job.QuarantineFile; name != "" {
		if _, err := files.FormatOf(name); err != nil {
			return err
		}
	}
	e.out = e.job.Out
	for _, name := range []*string{&e.out, &e.job.QuarantineFile, &e.job.InputQuarantine} {
		if *name == "" {
			continue
		}
		path, err := outfile.Resolve(*name)
		if err != nil {
			return outputError(*name, err)
		}
		if e.job.State != "" { // the journal relies on what is in the folder
			if err := e.disk.try(func() error { return e.fs.SyncDir(filepath.Dir(path)) }); err != nil {
				return fmt.Errorf("cannot write the output %s: its folder cannot be synced: %w", *name, outfile.Cause(err))
			}
		}
		*name = path
	}
	return nil
}

// begin reads the columns of all inputs and starts the plan.
func (e *engine) begin() (err error) {
	if e.ahead, err = e.openInput(0); err != nil {
		return err
	}
	if len(e.fields) == 0 {
		return noColumn(e.job.Inputs[0], e.ahead.Skipped())
	}
	for i := range e.job.Inputs[1:] {
		in, err := e.openInput(i + 1)
		if err == nil {
			err = in.Close()
		}
		if err != nil {
			return err
		}
	}
	columns := make([]Column, len(e.fields))
	for i, f := range e.fields {
		dtype, ok := arrowipc.DTypeOf(f.Type)
		if !ok {
			return fmt.Errorf("batch: column %q of type %v is not numeric", f.Name, f.Type)
		}
		columns[i] = Column{Name: f.Name, DType: dtype}
	}
	if e.plan, err = e.op.Start(Start{Columns: columns, Params: e.params}); err != nil {
		return err
	}
	e.passes = e.plan.Passes()
	if len(e.passes) == 0 || len(e.passes) > mostPasses {
		return fmt.Errorf("batch: op %s has %d passes, expected 1 to %d", e.op.Name, len(e.passes), mostPasses)
	}
	for i, p := range e.passes {
		last := i == len(e.passes)-1
		if p.Map == nil || p.Halo < 0 || p.Output == nil && p.Merge == nil || p.Output != nil && (!last || !p.Whole && len(p.Output) != len(columns)) {
			return fmt.Errorf("batch: pass %d of op %s: it needs Map and either Merge or, the last one, Output for each column", i, e.op.Name)
		}
	}
	return e.beginOutput()
}

// beginOutput opens the file for output rows.
func (e *engine) beginOutput() error {
	fields := e.passes[len(e.passes)-1].Output
	if fields == nil {
		if e.out != "" {
			return checkResultName(e.out)
		}
		return nil
	}
	if e.out == "" {
		return fmt.Errorf("%w: op %s", ErrNoOut, e.op.Name)
	}
	if len(fields) == 0 {
		return fmt.Errorf("%s: there is no numeric column to give to %s", e.job.Inputs[0], e.op.Name)
	}
	format, err := files.FormatOf(e.out)
	if err != nil {
		return err
	}
	e.schema = arrow.NewSchema(fields, nil)
	var done []extent
	for _, c := range e.store.done(len(e.passes) - 1) {
		done = append(done, c.extents...)
	}
	return e.disk.try(func() error {
		t, err := e.openTemp("")
		if err != nil {
			return err
		}
		if e.sink, err = newSink(t, format, e.schema, done); err != nil {
			if e.store == nil || e.store.fresh {
				return errors.Join(err, t.remove())
			}
			return errors.Join(err, t.close())
		}
		return nil
	})
}

// run does the passes and writes the result.
func (e *engine) run(ctx context.Context) (err error) {
	defer e.hashInputs(ctx)()
	for n := range e.passes {
		if err := e.runPass(ctx, n); err != nil {
			return err
		}
		if !slices.Contains(e.text, false) {
			return noColumn(e.job.Inputs[0], e.skipped)
		}
	}
	if e.sink == nil {
		keep := make([]bool, len(e.fields))
		for i := range keep {
			keep[i] = !e.text[i]
		}
		if e.value, err = e.plan.Result(keep); err != nil {
			return err
		}
	}
	return e.disk.try(e.finish)
}

// endPass notes that a pass has done all its chunks.
func (e *engine) endPass(r *passRun) error {
	e.rows = r.rows
	end := passRecord{Pass: r.n, Chunks: r.whole, Rows: r.rows, Text: e.text, Cut: e.cut}
	for _, s := range e.skipped {
		end.Skipped = append(end.Skipped, skippedJSON(s))
	}
	return e.disk.try(func() error {
		if err := e.appendBad(); err != nil {
			return err
		}
		return e.store.note(recordPass, end)
	})
}

// restore is endPass's inverse, for a pass that an earlier run has ended.
func (e *engine) restore(end *passRecord) {
	e.rows, e.cut, e.skipped, e.sawSkipped = end.Rows, end.Cut, nil, true
	copy(e.text, end.Text)
	for _, s := range end.Skipped {
		e.skipped = append(e.skipped, files.Skipped(s))
	}
}

// fruitless reports whether the job has ended early with nothing that is worth to be
// gone on with.
func (e *engine) fruitless() bool {
	return e.store.fresh && e.chunks == 0 && !e.kept && e.summed == nil
}

// close ends what is open. A journal stays where the job has not succeeded.
func (e *engine) close(ctx context.Context) error {
	var errs []error
	if e.ahead != nil {
		errs = append(errs, e.ahead.Close())
	}
	if e.pool != nil {
		errs = append(errs, e.pool.Close(ctx))
	}
	if e.disk != nil {
		e.disk.do(func() {
			temps := []*temp{e.whole}
			if e.sink != nil {
				temps = append(temps, e.sink.temp, e.sink.old)
			}
			for _, t := range temps {
				if t != nil && !e.kept && (e.store == nil || e.fruitless()) {
					errs = append(errs, t.remove())
				} else if t != nil {
					errs = append(errs, t.close())
				}
			}
			if e.store != nil && e.fruitless() {
				errs = append(errs, e.store.journal.Remove())
			} else if e.store != nil {
				if err := e.store.journal.Close(); !errors.Is(err, journal.ErrClosed) {
					errs = append(errs, err)
				}
			}
		})
		e.disk.close()
	}
	return errors.Join(errs...)
}
