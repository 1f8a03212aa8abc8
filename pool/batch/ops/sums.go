package ops

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc"
	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	"example.com/handoff/pool/batch/ops/internal/exact"
	"example.com/handoff/shm"
)

type number interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64
}

type describer func(context.Context, *pool.Pool, *arrowipc.Allocator, arrow.Array) (pool.Future[exact.Column], error)

// By dtype: what hands a column of it to a worker.
var describers = map[shm.DType]describer{
	shm.Int8:    newDescriber[int8](),
	shm.Int16:   newDescriber[int16](),
	shm.Int32:   newDescriber[int32](),
	shm.Int64:   newDescriber[int64](),
	shm.Uint8:   newDescriber[uint8](),
	shm.Uint16:  newDescriber[uint16](),
	shm.Uint32:  newDescriber[uint32](),
	shm.Uint64:  newDescriber[uint64](),
	shm.Float32: newDescriber[float32](),
	shm.Float64: newDescriber[float64](),
}

// newDescriber registers the worker's function for one dtype.
func newDescriber[T number]() describer {
	fn := pool.Func("describe."+shm.DTypeOf[T]().String(), func(t *pool.Task, c arrowipc.Column[T]) (exact.Column, error) {
		var out exact.Column
		err := exact.AddColumn(&out, c.Values.Data(), c.Valid.Data(), int(c.BitOffset))
		return out, err
	})
	return func(ctx context.Context, p *pool.Pool, a *arrowipc.Allocator, rows arrow.Array) (pool.Future[exact.Column], error) {
		c, err := arrowipc.ColumnOf[T](a, rows)
		if err != nil {
			return pool.Future[exact.Column]{}, err
		}
		return fn.Submit(ctx, p, c)
	}
}

// sums is the pass that adds up every column, exactly.
type sums struct {
	columns []batch.Column
	totals  []exact.Column
}

func newSums(columns []batch.Column) *sums {
	return &sums{columns, make([]exact.Column, len(columns))}
}

func (s *sums) pass() batch.Pass { return batch.Pass{Map: s.submit, Merge: s.merge} }

func (s *sums) submit(ctx context.Context, p batch.Piece) (batch.Pending, error) {
	n := int64(p.Rows[0].Len())
	future, err := describers[s.columns[p.Column].DType](ctx, p.Pool, p.Alloc, p.Rows[0])
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (batch.Outcome, error) {
		part, err := future.Wait(ctx)
		if err == nil && part.Sums.N+part.Nulls != n {
			err = fmt.Errorf("a worker counted %d values and %d nulls in %d rows", part.Sums.N, part.Nulls, n)
		}
		if err != nil {
			return batch.Outcome{}, err
		}
		b, err := part.AppendBinary(nil)
		return batch.Outcome{Partial: b}, err
	}, nil
}

func (s *sums) merge(i int, partial []byte) error {
	var part exact.Column
	if err := part.UnmarshalBinary(partial); err != nil {
		return fmt.Errorf("column %q: %w", s.columns[i].Name, err)
	}
	if err := s.totals[i].Merge(&part); err != nil {
		return fmt.Errorf("column %q: %w", s.columns[i].Name, err)
	}
	return nil
}
