package batch

import (
	"context"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"example.com/handoff/arrowipc"
	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// A commit is a chunk that is done: what came of it, and where that is.
type commit struct {
	pass        int
	index       int64
	input       int
	first, rows int64
	units       int
	left        []Quarantined // found in this pass
	partials    [][]byte      // of a reduction, by piece and unit
	extents     []extent      // of output rows, once they are written
	blocks      []formatted   // until then
}

func (c *commit) release() {
	for _, b := range c.blocks {
		b.release()
	}
	c.blocks = nil
}

// A formatted is a block of output, and what waits for its bytes if a worker makes
// these.
type formatted struct {
	block
	text func(context.Context) (shm.OwnedView[byte], error)
}

type csvIn struct{ Rows arrowipc.Record }

type csvOut struct {
	Text   shm.OwnedView[byte]
	Copied int64 // bytes of it: the worker makes it in its own memory
}

// formatCSV makes CSV of rows in a worker.
var formatCSV = pool.Func("batch.csv", func(t *pool.Task, in csvIn) (csvOut, error) {
	arrays, err := in.Rows.Arrays()
	if err != nil {
		return csvOut{}, err
	}
	defer releaseArrays(arrays)
	rec := array.NewRecord(schemaOf(arrays), arrays, int64(arrays[0].Len()))
	defer rec.Release()
	text, err := files.AppendCSV(nil, rec)
	if err != nil {
		return csvOut{}, err
	}
	out, err := shm.MakeWait[byte](t.Context(), t.Arena(), len(text))
	if err != nil {
		return csvOut{}, err
	}
	n := copy(out.Data(), text)
	return csvOut{out.Own(), int64(n)}, nil
})

// schemaOf is a schema for arrays without names.
func schemaOf(arrays []arrow.Array) *arrow.Schema {
	fields := make([]arrow.Field, len(arrays))
	for i, a := range arrays {
		fields[i] = arrow.Field{Type: a.DataType(), Nullable: true}
	}
	return arrow.NewSchema(fields, nil)
}

// format has a block of CSV made in a worker. What cannot be, commit makes itself.
func (r *passRun) format(ctx context.Context, b block) formatted {
	f := formatted{block: b}
	if r.sink.format != files.CSV || b.rows == 0 {
		return f
	}
	rows, ok := b.shared()
	if !ok {
		return f
	}
	future, err := formatCSV.Submit(ctx, r.pool, csvIn{rows})
	if err != nil {
		return f
	}
	f.text = func(ctx context.Context) (shm.OwnedView[byte], error) {
		out, err := future.Wait(ctx)
		r.copied.Add(out.Copied)
		return out.Text, err
	}
	return f
}

// groupTime is how long a chunk that is done may wait to be made durable together
// with those after it: what a kill costs at most, beside the chunks that run.
const groupTime = 100 * time.Millisecond

// commitAll writes what comes of the chunks and makes it durable, in groups. Where a
// pass has failed it keeps what is done by then. It calls fail when it cannot, and
// goes on taking chunks until there are no more.
func (r *passRun) commitAll(ctx context.Context, fail func(error)) {
	var failed error
	try := func(err error) {
		if err != nil && failed == nil {
			failed = err
			fail(err)
		}
	}
	var due <-chan time.Time
	if r.store != nil {
		t := time.NewTicker(groupTime)
		defer t.Stop()
		due = t.C
	}
	for {
		select {
		case c, ok := <-r.commits:
			if !ok {
				if failed == nil {
					try(r.sync())
				}
				return
			}
			if failed == nil {
				try(r.write(ctx, c))
			}
			c.release()
		case <-due:
			if failed == nil {
				try(r.sync())
			}
		}
	}
}

// write writes the rows of a chunk behind those that are there, and puts its record
// into the next group.
func (r *passRun) write(ctx context.Context, c *commit) error {
	from := r.sink.off
	for _, b := range c.blocks {
		x, err := r.sink.write(ctx, b)
		if err != nil {
			if context.Cause(ctx) != nil { // its worker was not waited for
				return r.sink.rewind(from)
			}
			return err
		}
		x.chunk = c.index
		c.extents = append(c.extents, x)
	}
	r.sink.keep(c.extents)
	r.note(c)
	return nil
}

// note puts the record of a chunk into the next group.
func (r *passRun) note(c *commit) {
	if r.store == nil {
		return
	}
	rec := appendCommit(nil, c)
	r.groupMu.Lock()
	defer r.groupMu.Unlock()
	r.group = append(r.group, rec)
}

// sync makes everything written durable: first the rows, then the records of them,
// which the journal does not get to see before.
func (r *passRun) sync() error {
	r.groupMu.Lock()
	group := r.group
	r.group = nil
	r.groupMu.Unlock()
	if len(group) == 0 {
		return nil
	}
	if r.pass.Output != nil {
		if err := r.sink.sync(); err != nil {
			return err
		}
	}
	if err := r.appendBad(); err != nil {
		return err
	}
	for _, rec := range group {
		if err := r.store.journal.Append(rec); err != nil {
			return err
		}
	}
	return r.store.journal.Sync()
}
