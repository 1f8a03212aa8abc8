package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow/array"

	"example.com/handoff/pool"
)

// A Quarantined is a row that was left out because it has killed two workers alone.
type Quarantined struct {
	Input  string // its file
	Row    int64  // in that file, from 0; a header is none
	Column string // whose task died
	Death  *pool.WorkerExitError
}

// foldChunk folds what came of a chunk's columns. Where the worker of one died it
// first finds the rows that did it, and folds the chunk without them. It returns how
// many there are.
func (e *engine) foldChunk(ctx context.Context, c *chunk) (left int64, err error) {
	if len(c.sick) == 0 {
		return 0, foldAll(c.folds)
	}
	found := map[int64]Quarantined{}
	for _, col := range c.sick {
		s := search{engine: e, chunk: c, col: col, found: found}
		if err := s.halves(ctx, 0, c.rec.NumRows()); err != nil {
			return 0, err
		}
	}
	rows := make([]int64, 0, len(found))
	for row, q := range found {
		rows = append(rows, row)
		e.left = append(e.left, q)
	}
	slices.Sort(rows)
	slices.SortFunc(e.left[len(e.left)-len(rows):], func(a, b Quarantined) int { return int(a.Row - b.Row) })
	from := int64(0)
	for _, row := range append(rows, c.rec.NumRows()) {
		if err := e.refold(ctx, c, from, row); err != nil {
			return 0, err
		}
		from = row + 1
	}
	return int64(len(rows)), nil
}

func foldAll(folds []func() error) error {
	for _, fold := range folds {
		if err := fold(); err != nil {
			return err
		}
	}
	return nil
}

// tries is how often rows that have killed nobody alone are handed out again.
const tries = 3

// refold folds the rows of a chunk from one up to another, all columns.
func (e *engine) refold(ctx context.Context, c *chunk, from, to int64) error {
	if from == to {
		return nil
	}
	var folds []func() error
	for i := range c.rec.Columns() {
		s := search{engine: e, chunk: c, col: i}
		fold, err := s.run(ctx, from, to)
		for n := 1; errors.Is(err, pool.ErrWorkerDied) && n < tries; n++ {
			fold, err = s.run(ctx, from, to)
		}
		if err != nil {
			return err
		}
		folds = append(folds, fold)
	}
	return foldAll(folds)
}

// A search looks for the rows of a chunk that kill the workers of a column.
type search struct {
	engine *engine
	chunk  *chunk
	col    int
	found  map[int64]Quarantined // by row of the chunk
}

// submit hands rows of the column out again.
func (s *search) submit(ctx context.Context, from, to int64) (waiting, error) {
	rows := array.NewSlice(s.chunk.rec.Column(s.col), from, to)
	defer rows.Release()
	return s.engine.fold.Submit(ctx, s.engine.pool, s.engine.alloc, s.col, rows)
}

func (s *search) run(ctx context.Context, from, to int64) (fold func() error, err error) {
	wait, err := s.submit(ctx, from, to)
	if err != nil {
		return nil, err
	}
	if fold, err = wait(ctx); err != nil && context.Cause(ctx) != nil {
		err = context.Cause(ctx)
	}
	return fold, err
}

// halves looks into rows of which some have killed a worker.
func (s *search) halves(ctx context.Context, from, to int64) error {
	parts := [][2]int64{{from, from + (to-from)/2}, {from + (to-from)/2, to}}
	if to-from == 1 {
		parts = parts[1:]
	}
	var waits []waiting
	for _, p := range parts {
		wait, err := s.submit(ctx, p[0], p[1])
		if err != nil {
			return err
		}
		waits = append(waits, wait)
	}
	for i, p := range parts {
		_, err := waits[i](ctx)
		var death *pool.WorkerExitError
		switch {
		case err == nil:
		case context.Cause(ctx) != nil:
			return context.Cause(ctx)
		case !errors.As(err, &death):
			return err
		case to-from > 1:
			if err := s.halves(ctx, p[0], p[1]); err != nil {
				return err
			}
		default: // alone, for the second time
			if _, known := s.found[from]; known { // by another column
				return nil
			}
			e := s.engine
			if len(e.left)+len(s.found) >= e.job.Quarantine {
				return fmt.Errorf("%s: %d rows are left out already, the most that may be, and row %d: %w",
					e.job.Inputs[s.chunk.where.Input], e.job.Quarantine, s.chunk.first+from, err)
			}
			s.found[from] = Quarantined{
				Input: e.job.Inputs[s.chunk.where.Input], Row: s.chunk.first + from, Column: e.fields[s.col].Name, Death: death,
			}
		}
	}
	return nil
}
