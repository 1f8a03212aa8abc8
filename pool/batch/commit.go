package batch

import (
	"context"
	"sync"
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
	tasks       int           // of each piece
	quarantined []Quarantined // found in this pass
	partials    [][]byte      // of a reduction, by piece and column
	output      []outRows     // until they are written
	extents     []extent      // of output rows that are written
}

func (c *commit) release() {
	for _, r := range c.output {
		releaseOuts(r.columns)
	}
	c.output = nil
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

// format has rows made CSV in a worker. Where that fails, commitAll does it.
func (p *passRun) format(ctx context.Context, out *outRows) {
	if p.e.outputs.sink.format != files.CSV || out.len() == 0 {
		return
	}
	rec, ok := out.shared()
	if !ok {
		return
	}
	future, err := formatCSV.Submit(ctx, p.e.pool, csvIn{rec})
	if err != nil {
		return
	}
	out.text = func(ctx context.Context) (shm.OwnedView[byte], error) {
		out, err := future.Wait(ctx)
		p.e.copied.Add(out.Copied)
		return out.Text, err
	}
}

// A group is the records of chunks that are written and not durable yet. Whoever
// completes a chunk adds one, disk's goroutine takes them all.
type group struct {
	mu      sync.Mutex // guards records
	records [][]byte
}

func (g *group) add(rec []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.records = append(g.records, rec)
}

func (g *group) take() [][]byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	records := g.records
	g.records = nil
	return records
}

// groupTime is how long a chunk that is done may wait to be made durable together
// with those after it: what a kill costs at most, beside the chunks that run.
const groupTime = 100 * time.Millisecond

// commitAll writes what comes of the chunks and makes it durable, in groups, also where
// the pass fails elsewhere. When it cannot, it calls fail and only releases the chunks.
func (p *passRun) commitAll(ctx context.Context, fail func(error)) {
	failed := false
	try := func(f func() error) {
		if failed {
			return
		}
		if err := f(); err != nil {
			failed = true
			fail(err)
		}
	}
	var due <-chan time.Time
	if p.e.outputs.store != nil {
		t := time.NewTicker(groupTime)
		defer t.Stop()
		due = t.C
	}
	for {
		select {
		case c, ok := <-p.commits:
			if !ok {
				try(p.sync)
				return
			}
			try(func() error { return p.write(ctx, c) })
			c.release()
		case <-due:
			try(p.sync)
		}
	}
}

// write writes the rows of a chunk behind those that are there, and puts its record
// into the next group.
func (p *passRun) write(ctx context.Context, c *commit) error {
	sink := p.e.outputs.sink
	from := sink.off
	for _, r := range c.output {
		x, err := sink.write(ctx, r)
		if err != nil {
			if context.Cause(ctx) != nil { // its worker was not waited for
				return sink.rewind(from)
			}
			return err
		}
		x.chunk = c.index
		c.extents = append(c.extents, x)
	}
	sink.extents = append(sink.extents, c.extents...)
	p.note(c)
	return nil
}

// note puts the record of a chunk into the next group.
func (p *passRun) note(c *commit) {
	if p.e.outputs.store != nil {
		p.group.add(appendCommit(nil, c))
	}
}

// sync makes everything written durable: first the rows, then their records, which the
// journal does not get before.
func (p *passRun) sync() error {
	records := p.group.take()
	if len(records) == 0 {
		return nil
	}
	if p.pass.Output != nil {
		if err := p.e.outputs.sink.temp.f.Sync(); err != nil {
			return err
		}
	}
	if err := p.e.appendBad(); err != nil {
		return err
	}
	j := p.e.outputs.store.journal
	for _, rec := range records {
		if err := j.Append(rec); err != nil {
			return err
		}
	}
	return j.Sync()
}
