package batch

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"example.com/handoff/arrowipc"
	"example.com/handoff/shm"
)

// An Out is a column of output rows, and holds it until the engine has written it.
type Out struct {
	array arrow.Array
	add   func(*arrowipc.Record)
}

// OutOf is a column that a worker has made in its [pool.Task.Arena] and returned.
// The Out releases it, or OutOf at once with an error.
func OutOf[T shm.Element](c arrowipc.OwnedColumn[T]) (Out, error) {
	arr, err := arrowipc.ArrayOf(c.Column(), c.Release)
	return Out{arr, func(r *arrowipc.Record) { arrowipc.AddColumn(r, c.Column()) }}, err
}

func releaseOuts(columns []Out) {
	for _, o := range columns {
		if o.array != nil {
			o.array.Release()
		}
	}
}

func (o Outcome) release() { releaseOuts(o.Output) }

// outRows are output rows of a piece.
type outRows struct {
	columns []Out
	// text, if set, waits for the rows as CSV, which a worker makes.
	text func(context.Context) (shm.OwnedView[byte], error)
}

func (r *outRows) len() int64 {
	if len(r.columns) == 0 {
		return 0
	}
	return int64(r.columns[0].array.Len())
}

// record returns the rows in Arrow. The caller releases both.
func (r *outRows) record(schema *arrow.Schema) arrow.Record {
	columns := make([]arrow.Array, len(r.columns))
	for i, o := range r.columns {
		columns[i] = o.array
	}
	return array.NewRecord(schema, columns, r.len())
}

// shared returns the rows as a task's argument. ok: a task can be given as much.
func (r *outRows) shared() (rec arrowipc.Record, ok bool) {
	arrays := 0
	for _, o := range r.columns {
		o.add(&rec)
		if arrays++; o.array.NullN() > 0 {
			arrays++
		}
	}
	return rec, arrays <= mostShared
}

// mostShared bounds the arrays of a task, whose Refs must fit into one message.
const mostShared = 64
