package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"example.com/handoff/arrowipc"
	"example.com/handoff/pool"
)

// A chunk is rows of an input on their way through a pass.
type chunk struct {
	index  int64 // in the pass, from 0
	input  int
	first  int64 // row of the input
	rows   int64
	rec    arrow.Record
	before []arrow.Array // up to Pass.Halo rows ahead, by column; nil if there are none
	where  Progress

	pieces []*piece
	err    error  // of an operation that failed
	sick   []work // whose worker has died
	unrun  []work // given up before a worker had begun them
	left   []Quarantined
}

// A piece is the rows of a chunk from one up to another: all of them, but for a
// chunk with rows that are left out.
type piece struct {
	from, to int64
	parts    []Part // by unit of work
}

// A work is what one task does: a column of a piece, or all of them.
type work struct {
	chunk *chunk
	piece *piece
	unit  int
}

func (c *chunk) release() {
	c.dropParts()
	c.rec.Release()
	releaseArrays(c.before)
}

func (c *chunk) dropParts() {
	for _, p := range c.pieces {
		for _, part := range p.parts {
			block{outs: part.Output}.release()
		}
		p.parts = nil
	}
}

func releaseArrays(arrays []arrow.Array) {
	for _, a := range arrays {
		a.Release()
	}
}

// cut makes the pieces: all rows but those that are left out, by row of the input.
func (c *chunk) cut(left []int64) {
	c.pieces = nil
	slices.Sort(left)
	from := int64(0)
	for _, row := range append(slices.Compact(left), c.first+c.rows) {
		to := row - c.first
		if to < from || to > c.rows {
			continue
		}
		if to > from {
			c.pieces = append(c.pieces, &piece{from: from, to: to})
		}
		from = to + 1
	}
}

// units is how many tasks a piece is.
func (r *passRun) units() int {
	if r.pass.Whole {
		return 1
	}
	return len(r.fields)
}

// submit hands rows of a chunk to the pool.
func (r *passRun) submit(ctx context.Context, c *chunk, unit int, from, to int64) (Pending, error) {
	columns := []int{unit}
	if r.pass.Whole {
		columns = columns[:0]
		for i := range r.fields {
			columns = append(columns, i)
		}
	}
	in := Piece{Pool: r.pool, Alloc: r.alloc, Column: unit}
	defer func() {
		releaseArrays(in.Rows)
		releaseArrays(in.Before)
	}()
	for _, i := range columns {
		var tail arrow.Array
		if c.before != nil {
			tail = c.before[i]
		}
		before, err := r.halo(tail, c.rec.Column(i), from)
		if err != nil {
			return nil, err
		}
		if before != nil {
			in.Before = append(in.Before, before)
		}
		in.Rows = append(in.Rows, array.NewSlice(c.rec.Column(i), from, to))
	}
	p, err := r.pass.Map(ctx, in)
	if err != nil {
		return nil, r.name(unit, err)
	}
	return func(ctx context.Context) (Part, error) {
		part, err := p(ctx)
		if err == nil {
			err = r.checkPart(part)
		}
		if err != nil {
			block{outs: part.Output}.release()
			if context.Cause(ctx) != nil {
				return Part{}, context.Cause(ctx)
			}
			return Part{}, r.name(unit, err)
		}
		return part, nil
	}, nil
}

// checkPart holds what an operation gave against what it has promised.
func (r *passRun) checkPart(p Part) error {
	want := len(r.pass.Output)
	if !r.pass.Whole {
		want = min(want, 1)
	}
	if len(p.Output) != want {
		return fmt.Errorf("the op gave %d columns of output, expected %d", len(p.Output), want)
	}
	for _, o := range p.Output {
		if o.array == nil || o.array.Len() != p.Output[0].array.Len() {
			return errors.New("the op gave columns of output of different lengths")
		}
	}
	return nil
}

func (r *passRun) name(unit int, err error) error {
	if r.pass.Whole {
		return err
	}
	return fmt.Errorf("column %q: %w", r.fields[unit].Name, err)
}

// halo is up to Pass.Halo elements ahead of element `from` of rows, of which tail
// comes first; nil if there are none. The caller releases it.
func (r *passRun) halo(tail, rows arrow.Array, from int64) (arrow.Array, error) {
	n := int64(r.pass.Halo)
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
	return arrowipc.Concatenate(r.alloc, []arrow.Array{end, head})
}

// again does one piece of work over, as often as workers die that no row is known to kill.
func (r *passRun) again(ctx context.Context, c *chunk, unit int, from, to int64) (part Part, err error) {
	for range tries {
		var wait Pending
		if wait, err = r.insist(ctx, c, unit, from, to); err != nil {
			return Part{}, err
		}
		if part, err = wait(ctx); !errors.Is(err, pool.ErrWorkerDied) {
			return part, err
		}
	}
	return part, err
}

// tries is how often rows that have killed nobody alone are handed out again.
const tries = 3
