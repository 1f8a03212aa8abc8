package ops

import (
	"context"

	"gonum.org/v1/gonum/stat"

	"example.com/handoff/arrowipc"
	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	"example.com/handoff/shm"
)

// ZScore is the operation "zscore": every value becomes (value − mean) / std of its
// column, a float64. It goes over the rows twice; mean and std are exactly those of
// [Describe]. A null stays null, and so does all of a column with fewer than two
// values. In a column whose values are all the same they are 0/0, NaN.
var ZScore = batch.Register(&batch.Op{
	Name: "zscore",
	Doc:  "each value's distance from its column's mean, in standard deviations; NaN where these are 0",
	Start: func(s batch.Start) (batch.Plan, error) {
		return &zscore{newSums(s.Columns)}, nil
	},
})

// zscore is one job.
type zscore struct{ *sums }

func (z *zscore) Passes() []batch.Pass {
	return []batch.Pass{z.pass(), {Output: floatFields(z.columns), Map: z.score}}
}

func (z *zscore) Result([]bool) (any, error) { return nil, nil }

func (z *zscore) score(ctx context.Context, p batch.Piece) (batch.Pending, error) {
	t := &z.totals[p.Column].Sums
	mean, _ := t.Mean()
	std, ok := t.Std()
	return scorers[z.columns[p.Column].DType](ctx, p, moments{mean, std, ok})
}

type moments struct {
	Mean, Std float64
	OK        bool // there are so many values
}

type scorer func(context.Context, batch.Piece, moments) (batch.Pending, error)

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
	Of   moments
}

func newScorer[T number]() scorer {
	fn := pool.Func("zscore."+shm.DTypeOf[T]().String(), func(t *pool.Task, in scoreIn[T]) (arrowipc.Column[float64], error) {
		values := in.Rows.Values.Data()
		out, err := makeFloats(t, len(values))
		if err != nil || !in.Of.OK {
			return out.done(), err
		}
		if in.Rows.Nulls == 0 {
			for i, v := range values {
				out.values[i] = stat.StdScore(float64(v), in.Of.Mean, in.Of.Std)
			}
			out.column.Nulls = 0
			return out.done(), nil
		}
		for i, v := range values {
			if !in.Rows.IsNull(i) {
				out.set(i, stat.StdScore(float64(v), in.Of.Mean, in.Of.Std))
			}
		}
		return out.done(), nil
	})
	return func(ctx context.Context, p batch.Piece, of moments) (batch.Pending, error) {
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
