package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow/ipc"

	"example.com/handoff/pool"
)

// A Quarantined is a row that was left out because it has killed two workers alone.
type Quarantined struct {
	Input  string                // its file
	Row    int64                 // in that file, from 0; a header is none
	Column string                // whose task died; "" if tasks have all columns
	Death  *pool.WorkerExitError // nil if an earlier run found it
	Reason string                // what its workers died of

	input  int
	values []byte // the row as an Arrow stream
}

// cure finds the rows of a chunk that kill workers, and does the rest of it without them.
func (r *passRun) cure(ctx context.Context, c *chunk) error {
	found := map[int64]Quarantined{}
	for _, w := range c.sick {
		s := search{passRun: r, chunk: c, unit: w.unit, found: found}
		if err := s.halves(ctx, w.piece.from, w.piece.to); err != nil {
			return err
		}
	}
	c.dropParts()
	rows := r.leftRows(c)
	for row, q := range found {
		rows = append(rows, c.first+row)
		c.left = append(c.left, q)
	}
	slices.SortFunc(c.left, func(a, b Quarantined) int { return int(a.Row - b.Row) })
	c.cut(rows)
	for _, p := range c.pieces {
		for unit := range r.units() {
			part, err := r.again(ctx, c, unit, p.from, p.to)
			if err != nil {
				return err
			}
			p.parts = append(p.parts, part)
		}
	}
	return nil
}

// A search looks for the rows of a chunk that kill the workers of a unit of work.
type search struct {
	*passRun
	chunk *chunk
	unit  int
	found map[int64]Quarantined // by row of the chunk
}

// halves looks into rows of which some have killed a worker.
func (s *search) halves(ctx context.Context, from, to int64) error {
	parts := [][2]int64{{from, from + (to-from)/2}, {from + (to-from)/2, to}}
	if to-from == 1 {
		parts = parts[1:]
	}
	var waits []Pending
	for _, p := range parts {
		wait, err := s.insist(ctx, s.chunk, s.unit, p[0], p[1])
		if err != nil {
			return err
		}
		waits = append(waits, wait)
	}
	for i, p := range parts {
		part, err := waits[i](ctx)
		var death *pool.WorkerExitError
		switch {
		case err == nil:
			block{outs: part.Output}.release()
		case context.Cause(ctx) != nil:
			return context.Cause(ctx)
		case !errors.As(err, &death):
			return err
		case to-from > 1:
			if err := s.halves(ctx, p[0], p[1]); err != nil {
				return err
			}
		default: // alone, for the second time
			return s.leaveOut(from, death)
		}
	}
	return nil
}

func (s *search) leaveOut(row int64, death *pool.WorkerExitError) error {
	if _, known := s.found[row]; known { // by another unit
		return nil
	}
	q := Quarantined{
		Input: s.job.Inputs[s.chunk.input], Row: s.chunk.first + row, Death: death, Reason: death.Error(), input: s.chunk.input,
	}
	if !s.pass.Whole {
		q.Column = s.fields[s.unit].Name
	}
	if len(s.left)+len(s.found) >= s.job.Quarantine {
		for _, q := range s.found { // for the file
			s.left = append(s.left, q)
		}
		return fmt.Errorf("%s: row %d kills its worker, and %d rows, the most that may be, are left out already: %w", q.Input, q.Row, s.job.Quarantine, death)
	}
	var b bytes.Buffer
	one := s.chunk.rec.NewSlice(row, row+1)
	defer one.Release()
	w := ipc.NewWriter(&b, ipc.WithSchema(one.Schema()))
	if err := errors.Join(w.Write(one), w.Close()); err != nil {
		return err
	}
	q.values = b.Bytes()
	s.copied.Add(int64(b.Len()))
	s.found[row] = q
	return nil
}

// leftRows are the rows of a chunk that an earlier pass, or run, has left out.
func (r *passRun) leftRows(c *chunk) []int64 {
	return r.leftIn(c.input, c.first, c.rows)
}

func (e *engine) leftIn(input int, first, rows int64) (left []int64) {
	for _, q := range e.left {
		if q.input == input && q.Row >= first && q.Row < first+rows {
			left = append(left, q.Row)
		}
	}
	return left
}

// rowsKept is how many of some rows are not left out.
func (e *engine) rowsKept(input int, first, rows int64) int64 {
	return rows - int64(len(e.leftIn(input, first, rows)))
}
