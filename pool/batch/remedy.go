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

// tries bounds the attempts for rows that have killed no worker alone.
const tries = 3

// remedy does what is missing of a chunk of which all tasks have ended: those that were
// cancelled though others of the chunk had begun, and those whose workers have died.
func (p *passRun) remedy(ctx context.Context, c *chunk) error {
	if len(c.died) == 0 { // else all tasks are done again
		if err := p.runCancelled(ctx, c); err != nil {
			return err
		}
	}
	if len(c.died) > 0 {
		return p.quarantine(ctx, c)
	}
	return nil
}

// runCancelled does the tasks of a chunk that were cancelled.
func (p *passRun) runCancelled(ctx context.Context, c *chunk) error {
	var waits []Pending
	for i, t := range c.cancelled {
		for n := len(waits); n < len(c.cancelled) && n < i+windowPerWorker; n++ {
			wait, err := p.submitAgain(ctx, c.cancelled[n])
			if err != nil {
				return err
			}
			waits = append(waits, wait)
		}
		o, err := waits[i](ctx)
		switch {
		case err == nil:
			t.piece.outcomes[t.column] = o
		case p.e.job.Quarantine > 0 && errors.Is(err, pool.ErrWorkerDied):
			c.died = append(c.died, t)
		default:
			return err
		}
	}
	return nil
}

// quarantine finds the rows of a chunk that kill workers, and does all tasks of the
// chunk without them.
func (p *passRun) quarantine(ctx context.Context, c *chunk) error {
	s := search{passRun: p, found: map[int64]Quarantined{}}
	for _, t := range c.died {
		if err := s.bisect(ctx, t); err != nil {
			return err
		}
	}
	c.releaseOutcomes()
	rows := p.e.tally.quarantinedRows(c.input, c.first, c.rows)
	for row, q := range s.found {
		rows = append(rows, row)
		c.quarantined = append(c.quarantined, q)
	}
	slices.SortFunc(c.quarantined, func(a, b Quarantined) int { return int(a.Row - b.Row) })
	c.cut(rows)
	for _, t := range c.tasks(p.tasksPerPiece()) {
		o, err := p.try(ctx, t)
		if err != nil {
			return err
		}
		t.piece.outcomes[t.column] = o
	}
	return nil
}

// try does a task, and does it again when a worker dies of it.
func (p *passRun) try(ctx context.Context, t task) (o Outcome, err error) {
	for range tries {
		var wait Pending
		if wait, err = p.submitAgain(ctx, t); err != nil {
			return Outcome{}, err
		}
		if o, err = wait(ctx); !errors.Is(err, pool.ErrWorkerDied) {
			return o, err
		}
	}
	return o, err
}

// A search looks for the rows of a chunk that kill workers.
type search struct {
	*passRun
	found map[int64]Quarantined // by row of the input
}

// bisect searches the rows of a task whose worker has died.
func (s *search) bisect(ctx context.Context, t task) error {
	from, to := t.piece.from, t.piece.to
	middle := from + (to-from)/2
	halves := []*piece{{from: from, to: middle}, {from: middle, to: to}}
	if to-from == 1 {
		halves = halves[1:]
	}
	var waits []Pending
	for _, half := range halves {
		wait, err := s.submitAgain(ctx, task{t.chunk, half, t.column})
		if err != nil {
			return err
		}
		waits = append(waits, wait)
	}
	for i, half := range halves {
		o, err := waits[i](ctx)
		var death *pool.WorkerExitError
		switch {
		case err == nil:
			o.release()
		case context.Cause(ctx) != nil:
			return context.Cause(ctx)
		case !errors.As(err, &death):
			return err
		case to-from > 1:
			if err := s.bisect(ctx, task{t.chunk, half, t.column}); err != nil {
				return err
			}
		default: // alone, for the second time
			return s.add(t, death)
		}
	}
	return nil
}

// add puts the one row of a task into quarantine.
func (s *search) add(t task, death *pool.WorkerExitError) error {
	c, job, row := t.chunk, s.e.job, t.piece.from
	q := Quarantined{Input: job.Inputs[c.input], Row: c.first + row, Death: death, Reason: death.Error(), input: c.input}
	if _, known := s.found[q.Row]; known { // in another column
		return nil
	}
	if !s.pass.Whole {
		q.Column = s.e.source.fields[t.column].Name
	}
	if already := &s.e.tally.quarantined; len(*already)+len(s.found) >= job.Quarantine {
		for _, q := range s.found { // for the file
			*already = append(*already, q)
		}
		return fmt.Errorf("%s: row %d kills its worker, and %d rows, the most that may be, are left out already: %w", q.Input, q.Row, job.Quarantine, death)
	}
	var b bytes.Buffer
	one := c.rec.NewSlice(row, row+1)
	defer one.Release()
	w := ipc.NewWriter(&b, ipc.WithSchema(one.Schema()))
	if err := errors.Join(w.Write(one), w.Close()); err != nil {
		return err
	}
	q.values = b.Bytes()
	s.e.copied.Add(int64(b.Len()))
	s.found[q.Row] = q
	return nil
}
