package batch

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"example.com/handoff/arrowipc"
	"example.com/handoff/shm"
)

// An Out is a column of output rows, and holds it until the engine has written it.
type Out struct {
	array arrow.Array
	add   func(*arrowipc.Record) // nil if it does not lie in shared memory
}

// OutOf is a column that a worker has made in its [pool.Task.Arena] and returned.
// The Out releases it, or OutOf at once with an error.
func OutOf[T shm.Element](c arrowipc.OwnedColumn[T]) (Out, error) {
	arr, err := arrowipc.ArrayOf(c.Column(), c.Release)
	return Out{arr, func(r *arrowipc.Record) { arrowipc.AddColumn(r, c.Column()) }}, err
}

// OutArray is an array that lies anywhere. It takes over one reference.
func OutArray(a arrow.Array) Out { return Out{array: a} }

func (o Out) release() {
	if o.array != nil {
		o.array.Release()
	}
}

// A block is rows of the output.
type block struct {
	outs []Out
	rows int64
}

func (b block) release() {
	for _, o := range b.outs {
		o.release()
	}
}

// record is the block in Arrow. The caller releases both.
func (b block) record(schema *arrow.Schema) arrow.Record {
	columns := make([]arrow.Array, len(b.outs))
	for i, o := range b.outs {
		columns[i] = o.array
	}
	return array.NewRecord(schema, columns, b.rows)
}

// shared is the block as a task's argument, if all of it lies in shared memory and
// a task can be given as much.
func (b block) shared() (r arrowipc.Record, ok bool) {
	arrays := 0
	for _, o := range b.outs {
		if o.add == nil {
			return r, false
		}
		o.add(&r)
		if arrays++; o.array.NullN() > 0 {
			arrays++
		}
	}
	return r, arrays <= mostShared
}

// mostShared bounds the arrays of a task, whose Refs must fit into one message.
const mostShared = 64
