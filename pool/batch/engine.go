package batch

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"example.com/handoff/arrowipc"
	"example.com/handoff/pool"
	"example.com/handoff/pool/journal"
)

// An engine is one running job. Run's goroutine owns it; the goroutines of a pass
// read what is set before the first pass. source and outputs say who owns theirs.
type engine struct {
	job    *Job
	op     *Op
	params map[string]string
	start  time.Time

	pool   *pool.Pool
	alloc  *arrowipc.Allocator
	copied atomic.Int64 // bytes, elsewhere than into the pool's arena
	plan   Plan
	passes []Pass

	source    source
	outputs   outputs
	tally     tally
	value     any      // of a reduction
	finished  *Summary // of a job that an earlier run has finished
	fromStart bool
}

// A tally counts what is done, by earlier runs too.
type tally struct {
	pass        int   // the last that has begun, from 1
	rows        int64 // of that pass, without those in quarantine
	inPass      int64 // chunks of that pass
	chunks      int64 // of all passes
	reused      int64 // those of them that an earlier run has done
	quarantined []Quarantined
}

// open prepares all that the job needs before its first chunk. With done there is
// nothing left to do.
func (e *engine) open(ctx context.Context) (done bool, err error) {
	inputs, err := identify(e.job.Inputs)
	if err != nil {
		return false, err
	}
	o := &e.outputs
	if o.fs = e.job.FS; o.fs == nil {
		o.fs = journal.OS()
	}
	o.disk = newDisk()
	if err := o.resolve(e.job); err != nil {
		return false, err
	}
	if o.id, err = newID(); err != nil {
		return false, err
	}
	e.source.job, e.source.inputs = e.job, inputs
	if e.job.State != "" {
		if err := e.openStore(ctx); err != nil {
			return false, err
		}
		if o.store.finished != nil {
			e.finished = o.store.finished
			return true, o.disk.try(o.checkPublished)
		}
		if o.store.seal != nil {
			return true, o.disk.try(e.publishSealed)
		}
	}
	if e.pool, err = pool.New(ctx, &e.job.Pool); err != nil {
		return false, err
	}
	if e.job.Started != nil {
		e.job.Started(e.pool)
	}
	e.alloc = arrowipc.NewAllocator(e.pool.Arena())
	e.source.alloc = e.alloc
	return false, e.begin()
}

// openStore makes the journal, or takes over what that of an earlier run holds.
func (e *engine) openStore(ctx context.Context) error {
	o := &e.outputs
	h := header{
		Version: headerVersion, ID: o.id, Op: e.op.canonical(e.params), Inputs: e.source.inputs,
		Columns: e.job.Columns, ChunkRows: e.job.ChunkRows, Out: o.path,
	}
	var s *store
	err := o.disk.try(func() (err error) {
		s, e.fromStart, err = openStore(e.job, h)
		return err
	})
	if err != nil {
		return err
	}
	o.store, o.id = s, s.header.ID
	if err := s.compare(ctx, h); err != nil {
		return err
	}
	e.source.bad.restore(s.bad)
	for _, pass := range s.chunks {
		for _, c := range pass {
			for _, q := range c.quarantined {
				q.Input = e.job.Inputs[q.input]
				e.tally.quarantined = append(e.tally.quarantined, q)
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

// begin reads the columns of all inputs, starts the plan and opens the output.
func (e *engine) begin() error {
	columns, err := e.source.columns()
	if err != nil {
		return err
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

// run does the passes and writes the result.
func (e *engine) run(ctx context.Context) (err error) {
	defer e.hashInputs(ctx)()
	for n := range e.passes {
		if err := e.runPass(ctx, n); err != nil {
			return err
		}
		if !slices.Contains(e.source.text, false) {
			return noColumn(e.job.Inputs[0], e.source.skipped)
		}
	}
	if e.outputs.sink == nil {
		keep := make([]bool, len(e.source.fields))
		for i := range keep {
			keep[i] = !e.source.text[i]
		}
		if e.value, err = e.plan.Result(keep); err != nil {
			return err
		}
	}
	return e.outputs.disk.try(e.finish)
}

// close releases everything. The journal of a job that has not succeeded stays,
// unless nothing in it is worth resuming.
func (e *engine) close(ctx context.Context) error {
	var errs []error
	if e.source.ahead != nil {
		errs = append(errs, e.source.ahead.Close())
	}
	if e.pool != nil {
		errs = append(errs, e.pool.Close(ctx))
	}
	if o := &e.outputs; o.disk != nil {
		errs = append(errs, o.close(e.tally.chunks == 0 && e.finished == nil))
	}
	return errors.Join(errs...)
}

func (e *engine) result() *Result {
	r := &Result{
		Value: e.value, Skipped: e.source.skipped, Quarantined: e.tally.quarantined, FromStart: e.fromStart,
		Unparsed: e.unparsed(), Summary: e.summary(), Finished: e.finished != nil, Warnings: e.outputs.warnings,
	}
	for _, text := range e.source.text {
		if !text {
			r.Columns++
		}
	}
	if e.finished != nil {
		r.Columns = -1
	}
	return r
}
