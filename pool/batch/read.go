package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool/queue"
)

// openInput opens an input and holds it against what the first one, and the run's
// beginning, said.
func (e *engine) openInput(i int) (*files.Reader, error) {
	if r := e.ahead; i == 0 && r != nil {
		e.ahead = nil
		return r, nil
	}
	opts := &files.Options{ChunkRows: e.job.ChunkRows, Columns: e.job.Columns}
	if e.job.InputQuarantine != "" || e.bad.any() {
		opts.BadRow = func(b files.BadRow) error { return e.badRow(i, b) }
	}
	path := e.job.Inputs[i]
	r, err := files.Open(path, e.alloc, opts)
	if err != nil {
		return nil, err
	}
	if was := e.inputs[i].Identity; !was.SameContent(r.Identity()) {
		r.Close()
		return nil, fmt.Errorf("%s: %w since the job began: %s", path, files.ErrChanged, was.Diff(r.Identity()))
	}
	if e.fields == nil {
		e.fields = r.Schema().Fields()
		e.text = make([]bool, len(e.fields))
	} else if err := sameColumns(e.job.Inputs[0], e.fields, path, r.Schema().Fields()); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// noColumn is the error about an input of which no column can be worked on.
func noColumn(path string, skipped []files.Skipped) error {
	why := ""
	for i, s := range skipped {
		if i == 3 {
			why += fmt.Sprintf("; and %d more", len(skipped)-i)
			break
		}
		why += fmt.Sprintf("; column %q is %s", s.Name, s.Why)
	}
	return fmt.Errorf("%s: no column holds numbers%s", path, why)
}

func sameColumns(first string, want []arrow.Field, path string, got []arrow.Field) error {
	if len(got) != len(want) {
		return fmt.Errorf("%s: %d numeric columns, expected the %d of %s", path, len(got), len(want), first)
	}
	for i := range want {
		if got[i].Name != want[i].Name || got[i].Type.ID() != want[i].Type.ID() {
			return fmt.Errorf("%s: column %q of type %v, expected %q of %v as in %s", path, got[i].Name, got[i].Type, want[i].Name, want[i].Type, first)
		}
	}
	return nil
}

// read puts the chunks that are not done into the queue.
func (r *passRun) read(ctx context.Context) error {
	index := int64(0)
	var tail []arrow.Array
	defer func() { releaseArrays(tail) }()
	for i := range r.job.Inputs {
		if err := r.readFile(ctx, i, &index, &tail); err != nil {
			return err
		}
	}
	r.whole = index
	return nil
}

func (r *passRun) readFile(ctx context.Context, i int, index *int64, tail *[]arrow.Array) error {
	in, err := r.openInput(i)
	if err != nil {
		return err
	}
	defer in.Close()
	first := int64(0)
	for ; ; *index++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if chunks, rows := r.skippable(i, *index, first); rows > 0 {
			if err := in.Skip(ctx, rows); err != nil {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				return err
			}
			*index += chunks
			first += rows
			releaseArrays(*tail)
			*tail = nil
		}
		rec, err := in.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
		c := &chunk{index: *index, input: i, first: first, rows: rec.NumRows(), rec: rec}
		first += c.rows
		before := *tail
		if *tail, err = r.nextTail(before, rec); err != nil {
			releaseArrays(before)
			rec.Release()
			return err
		}
		c.before = before // it has the references
		c.where = r.progress(in, i)
		if old := r.done[c.index]; old != nil {
			c.release()
			if old.input != i || old.first != c.first || old.rows != c.rows {
				return fmt.Errorf("%s: chunk %d is rows %d to %d now, and was rows %d to %d of input %d in an earlier run",
					r.job.Inputs[i], c.index, c.first, c.first+c.rows, old.first, old.first+old.rows, old.input)
			}
			continue
		}
		if err := r.queue.Put(ctx, c, recordBytes(rec)); err != nil {
			c.release()
			if errors.Is(err, queue.ErrClosed) || ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return err
		}
	}
	r.skippedIn(i, in.Skipped())
	if in.Cut() {
		r.cutIn(i)
	}
	return nil
}

// skippable is how many chunks from one on, and rows of them, need not be read: they
// are done, and so are those behind them that hold the rows ahead of what is not.
func (r *passRun) skippable(i int, from, first int64) (chunks, rows int64) {
	for halo, n := int64(0), from; ; n++ {
		old := r.done[n]
		if old == nil || old.input != i || old.first != first {
			return chunks, rows
		}
		first += old.rows
		halo += old.rows
		for halo-r.done[from+chunks].rows >= int64(r.pass.Halo) {
			halo -= r.done[from+chunks].rows
			rows += r.done[from+chunks].rows
			if chunks++; from+chunks > n {
				break
			}
		}
	}
}

func (r *passRun) progress(in *files.Reader, i int) Progress {
	done, _ := in.BytesRead()
	p := Progress{Done: done, Input: i, Pass: r.n}
	whole := int64(0)
	for k, in := range r.inputs {
		whole += in.Identity.Size
		if k < i {
			p.Done += in.Identity.Size
		}
	}
	p.Done += int64(r.n) * whole
	p.Total = int64(len(r.passes)) * whole
	return p
}

// nextTail is the last Pass.Halo rows after a record, by column.
func (r *passRun) nextTail(tail []arrow.Array, rec arrow.Record) (next []arrow.Array, err error) {
	if r.pass.Halo == 0 {
		return nil, nil
	}
	for i, col := range rec.Columns() {
		var last arrow.Array
		if tail != nil {
			last = tail[i]
		}
		a, err := r.halo(last, col, rec.NumRows())
		if err != nil {
			releaseArrays(next)
			return nil, err
		}
		next = append(next, a)
	}
	return next, nil
}

// skippedIn notes the columns of an input that hold no numbers.
func (e *engine) skippedIn(i int, skipped []files.Skipped) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range skipped {
		if s.Field >= 0 && e.text[s.Field] {
			continue // known from an earlier pass or input
		}
		if s.Field >= 0 {
			e.text[s.Field] = true
		}
		if i == 0 && !e.sawSkipped || s.Field >= 0 {
			e.skipped = append(e.skipped, s)
		}
	}
	e.sawSkipped = true
}

// cutIn notes an input without its end mark.
func (e *engine) cutIn(i int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Contains(e.cut, i) { // known from an earlier pass
		e.cut = append(e.cut, i)
	}
}

func recordBytes(rec arrow.Record) (n int64) {
	for _, col := range rec.Columns() {
		if w, ok := col.DataType().(arrow.FixedWidthDataType); ok {
			n += int64(w.BitWidth()) * rec.NumRows() / 8
		}
	}
	return n
}
