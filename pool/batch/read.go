package batch

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc/files"
)

// A reading reads the chunks of a pass that are not done. Its goroutine owns it.
type reading struct {
	*passRun
	index int64         // of the next chunk
	tail  []arrow.Array // up to Pass.Halo rows before that chunk, by column; owned

	in    *files.Reader
	input int
	first int64 // row of the input that the next chunk begins with
}

// read puts the chunks that are not done into the queue.
func (p *passRun) read(ctx context.Context) error {
	r := &reading{passRun: p}
	defer func() { releaseArrays(r.tail) }()
	for r.input = range p.e.job.Inputs {
		if err := r.readInput(ctx); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
	}
	p.chunks = r.index
	return nil
}

func (r *reading) readInput(ctx context.Context) (err error) {
	if r.in, err = r.e.source.open(r.input); err != nil {
		return err
	}
	defer r.in.Close()
	for r.first = 0; ; r.index++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.skip(ctx); err != nil {
			return err
		}
		rec, err := r.in.Next(ctx)
		if err == io.EOF {
			r.e.source.note(r.input, r.in)
			return nil
		}
		if err != nil {
			return err
		}
		c, err := r.chunk(rec)
		if err != nil {
			return err
		}
		if err := r.put(ctx, c); err != nil {
			c.release()
			return err
		}
	}
}

// skip passes over the chunks that need not be read.
func (r *reading) skip(ctx context.Context) error {
	chunks, rows := r.skippable(r.input, r.index, r.first)
	if rows == 0 {
		return nil
	}
	if err := r.in.Skip(ctx, rows); err != nil {
		return err
	}
	r.index += chunks
	r.first += rows
	releaseArrays(r.tail)
	r.tail = nil
	return nil
}

// chunk makes the next chunk. It takes rec over, also with an error.
func (r *reading) chunk(rec arrow.Record) (*chunk, error) {
	c := &chunk{index: r.index, input: r.input, first: r.first, rows: rec.NumRows(), rec: rec, before: r.tail}
	r.first += c.rows
	var err error
	if r.tail, err = r.nextTail(c.before, rec); err != nil {
		c.release()
		return nil, err
	}
	c.progress = r.e.source.progress(r.in, r.input, r.n, len(r.e.passes))
	return c, nil
}

// put queues a chunk, or releases it if an earlier run has done it and it was read for
// the rows that the next one needs.
func (r *reading) put(ctx context.Context, c *chunk) error {
	old := r.done[c.index]
	if old == nil {
		return r.queue.Put(ctx, c, recordBytes(c.rec))
	}
	if old.input != c.input || old.first != c.first || old.rows != c.rows {
		return fmt.Errorf("%s: chunk %d is rows %d to %d now, and was rows %d to %d of input %d in an earlier run",
			r.e.job.Inputs[c.input], c.index, c.first, c.first+c.rows, old.first, old.first+old.rows, old.input)
	}
	c.release()
	return nil
}

// skippable is how many chunks from one on, and rows of them, need not be read: they
// are done, and so are those after them that hold the rows before one that is not.
func (p *passRun) skippable(input int, from, first int64) (chunks, rows int64) {
	for halo, n := int64(0), from; ; n++ {
		old := p.done[n]
		if old == nil || old.input != input || old.first != first {
			return chunks, rows
		}
		first += old.rows
		halo += old.rows
		for halo-p.done[from+chunks].rows >= int64(p.pass.Halo) {
			halo -= p.done[from+chunks].rows
			rows += p.done[from+chunks].rows
			if chunks++; from+chunks > n {
				break
			}
		}
	}
}

// nextTail returns the last Pass.Halo rows of tail and a record, by column.
func (p *passRun) nextTail(tail []arrow.Array, rec arrow.Record) (next []arrow.Array, err error) {
	if p.pass.Halo == 0 {
		return nil, nil
	}
	for i, col := range rec.Columns() {
		var last arrow.Array
		if tail != nil {
			last = tail[i]
		}
		a, err := p.halo(last, col, rec.NumRows())
		if err != nil {
			releaseArrays(next)
			return nil, err
		}
		next = append(next, a)
	}
	return next, nil
}

func recordBytes(rec arrow.Record) (n int64) {
	for _, col := range rec.Columns() {
		if w, ok := col.DataType().(arrow.FixedWidthDataType); ok {
			n += int64(w.BitWidth()) * rec.NumRows() / 8
		}
	}
	return n
}
