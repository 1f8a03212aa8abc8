package batch

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"example.com/handoff/arrowipc"
	"example.com/handoff/pool"
)

// tasksPerPiece is one for each column, or one for all of them.
func (p *passRun) tasksPerPiece() int {
	if p.pass.Whole {
		return 1
	}
	return len(p.e.source.fields)
}

// start submits a task of a chunk that was just taken from the queue, unless the job is
// to stop.
func (p *passRun) start(ctx context.Context, t task) (Pending, error) {
	if p.stop.reading.Err() != nil {
		return func(context.Context) (Outcome, error) { return Outcome{}, pool.ErrCancelled }, nil
	}
	wait, err := p.submit(ctx, t)
	if p.stop.reading.Err() != nil { // stop may not have seen this task
		p.e.pool.CancelQueued()
	}
	return wait, err
}

// submitAgain submits a task of a chunk that has begun: where it is cancelled while it
// is queued, because the job is to stop, it is submitted once more.
func (p *passRun) submitAgain(ctx context.Context, t task) (Pending, error) {
	wait, err := p.submit(ctx, t)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (Outcome, error) {
		o, err := wait(ctx)
		for errors.Is(err, pool.ErrCancelled) && context.Cause(ctx) == nil {
			if wait, err = p.submit(ctx, t); err == nil {
				o, err = wait(ctx)
			}
		}
		return o, err
	}, nil
}

// submit hands the rows of a task to the operation.
func (p *passRun) submit(ctx context.Context, t task) (Pending, error) {
	first, end := t.column, t.column+1
	if p.pass.Whole {
		first, end = 0, len(p.e.source.fields)
	}
	in := Piece{Pool: p.e.pool, Alloc: p.e.alloc, Column: t.column}
	defer func() {
		releaseArrays(in.Rows)
		releaseArrays(in.Before)
	}()
	for i := first; i < end; i++ {
		var tail arrow.Array
		if t.chunk.before != nil {
			tail = t.chunk.before[i]
		}
		rows := t.chunk.rec.Column(i)
		before, err := p.halo(tail, rows, t.piece.from)
		if err != nil {
			return nil, err
		}
		if before != nil {
			in.Before = append(in.Before, before)
		}
		in.Rows = append(in.Rows, array.NewSlice(rows, t.piece.from, t.piece.to))
	}
	wait, err := p.pass.Map(ctx, in)
	if err != nil {
		return nil, p.columnError(t.column, err)
	}
	return func(ctx context.Context) (Outcome, error) {
		o, err := wait(ctx)
		if err == nil {
			err = p.checkOutcome(o)
		}
		if err != nil {
			o.release()
			if context.Cause(ctx) != nil {
				return Outcome{}, context.Cause(ctx)
			}
			return Outcome{}, p.columnError(t.column, err)
		}
		return o, nil
	}, nil
}

// checkOutcome compares what an operation gave with what it has promised.
func (p *passRun) checkOutcome(o Outcome) error {
	want := len(p.pass.Output)
	if !p.pass.Whole {
		want = min(want, 1)
	}
	if len(o.Output) != want {
		return fmt.Errorf("the op gave %d columns of output, expected %d", len(o.Output), want)
	}
	for _, c := range o.Output {
		if c.array == nil || c.array.Len() != o.Output[0].array.Len() {
			return errors.New("the op gave columns of output of different lengths")
		}
	}
	return nil
}

func (p *passRun) columnError(column int, err error) error {
	if p.pass.Whole {
		return err
	}
	return fmt.Errorf("column %q: %w", p.e.source.fields[column].Name, err)
}

// halo is up to Pass.Halo elements before element `from` of rows, which tail precedes;
// nil if there are none. The caller releases it.
func (p *passRun) halo(tail, rows arrow.Array, from int64) (arrow.Array, error) {
	n := int64(p.pass.Halo)
	short := n - from
	switch {
	case n == 0 || from == 0 && tail == nil:
		return nil, nil
	case short <= 0:
		return array.NewSlice(rows, from-n, from), nil
	case tail == nil:
		return array.NewSlice(rows, 0, from), nil
	}
	of := int64(tail.Len())
	end := array.NewSlice(tail, max(of-short, 0), of)
	if from == 0 {
		return end, nil
	}
	defer end.Release()
	head := array.NewSlice(rows, 0, from)
	defer head.Release()
	return arrowipc.Concatenate(p.e.alloc, []arrow.Array{end, head})
}
