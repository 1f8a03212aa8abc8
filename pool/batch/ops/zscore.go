package ops

import (
	"context"

	"example.com/handoff/arrowipc"
	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	"example.com/handoff/pool/batch/ops/internal/exact"
	"example.com/handoff/shm"
)

// ZScore is the operation "zscore": every value becomes (value − mean) / std of its
// column, a float64. It goes over the rows twice. The result is the float64 nearest to
// what exact arithmetic gives: neither the value, if it is an integer beyond 2^53, nor
// mean, std or the difference are rounded before, as they are where [Describe] shows
// them. So it is finite too where these are not within float64: for a std above the
// largest one or a deviation below the smallest.
//
// A null stays null, and so does all of a column with fewer than two values. In a
// column whose values are all the same they are 0/0, NaN; and so they are in one with
// a NaN or an infinity.
var ZScore = batch.Register(&batch.Op{
	Name: "zscore",
	Doc:  "each value's distance from its column's mean, in standard deviations; NaN where these are 0",
	Start: func(s batch.Start) (batch.Plan, error) {
		return &zscore{newSums(s.Columns), make([]*standard, len(s.Columns))}, nil
	},
})

// zscore is one job.
type zscore struct {
	*sums
	standards []*standard // by column, of the second pass
}

func (z *zscore) Passes() []batch.Pass {
	return []batch.Pass{z.pass(), {Output: floatFields(z.columns), Map: z.score}}
}

func (z *zscore) Result([]bool) (any, error) { return nil, nil }

func (z *zscore) score(ctx context.Context, p batch.Piece) (batch.Pending, error) {
	of := z.standards[p.Column]
	if of == nil {
		of = new(standard)
		of.Of, of.OK = z.totals[p.Column].Standard()
		z.standards[p.Column] = of
	}
	return scorers[z.columns[p.Column].DType](ctx, p, *of)
}

type standard struct {
	Of exact.Standard
	OK bool // there are so many values
}

type scorer func(context.Context, batch.Piece, standard) (batch.Pending, error)

var scorers = map[shm.DType]scorer{
	shm.Int8:    newScorer[int8](),
	shm.Int16:   newScorer[int16](),
	shm.Int32:   newScorer[int32](),
	shm.Int64:   newScorer[int64](),
	shm.Uint8:   newScorer[uint8](),
	shm.Uint16:  newScorer[uint16](),
	shm.Uint32:  newScorer[uint32](),
	shm.Uint64:  newScorer[uint64](),
	shm.Float32: newScorer[float32](),
	shm.Float64: newScorer[float64](),
}

type scoreIn[T number] struct {
	Rows arrowipc.Column[T]
	Of   standard
}

func newScorer[T number]() scorer {
	fn := pool.Func("zscore."+shm.DTypeOf[T]().String(), func(t *pool.Task, in scoreIn[T]) (arrowipc.OwnedColumn[float64], error) {
		values := in.Rows.Values.Data()
		out, err := makeFloats(t, len(values))
		if err != nil || !in.Of.OK {
			return out.done(), err
		}
		if in.Rows.Nulls == 0 {
			exact.Score(&in.Of.Of, out.values, values)
			out.column.Nulls = 0
			return out.done(), nil
		}
		for from, to := 0, 0; to < len(values); from = to + 1 {
			for to = from; to < len(values) && !in.Rows.IsNull(to); to++ {
			}
			exact.Score(&in.Of.Of, out.values[from:to], values[from:to])
			for i := from; i < to; i++ {
				out.set(i, out.values[i])
			}
		}
		return out.done(), nil
	})
	return func(ctx context.Context, p batch.Piece, of standard) (batch.Pending, error) {
		c, err := arrowipc.ColumnOf[T](p.Alloc, p.Rows[0])
		if err != nil {
			return nil, err
		}
		f, err := fn.Submit(ctx, p.Pool, scoreIn[T]{c, of})
		if err != nil {
			return nil, err
		}
		return output(f), nil
	}
}
