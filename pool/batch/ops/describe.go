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

// Describe is the operation "describe". Its result is
//
//	{"columns":[{"name","dtype","count","nulls","mean","std","min","max"}…]}
//
// count is of the values that are not null. std is that of a sample, null for
// fewer than two values; mean, min and max are null without any. NaN and
// infinities give what IEEE 754 gives, as the strings "NaN", "+Inf", "-Inf".
var Describe = batch.Register(&batch.Op{
	Name: "describe",
	Doc:  "count, nulls, mean, std, min and max of each numeric column",
	Start: func(columns []batch.Column) (batch.Fold, error) {
		return &describe{columns: columns, totals: make([]exact.Column, len(columns))}, nil
	},
})

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

type number interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64
}

type describer func(context.Context, *pool.Pool, *arrowipc.Allocator, arrow.Array) (pool.Future[exact.Column], error)

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

// describe is one job's totals.
type describe struct {
	columns []batch.Column
	totals  []exact.Column
}

func (d *describe) Submit(ctx context.Context, p *pool.Pool, a *arrowipc.Allocator, i int, rows arrow.Array) (func(context.Context) (func() error, error), error) {
	name, n := d.columns[i].Name, int64(rows.Len())
	future, err := describers[d.columns[i].DType](ctx, p, a, rows)
	if err != nil {
		return nil, fmt.Errorf("column %q: %w", name, err)
	}
	fail := func(err error) error {
		if err != nil {
			err = fmt.Errorf("column %q: %w", name, err)
		}
		return err
	}
	return func(ctx context.Context) (func() error, error) {
		part, err := future.Wait(ctx)
		if err == nil && part.Sums.N+part.Nulls != n {
			err = fmt.Errorf("a worker counted %d values and %d nulls in %d rows", part.Sums.N, part.Nulls, n)
		}
		return func() error { return fail(d.totals[i].Merge(&part)) }, fail(err)
	}, nil
}

// described is the result in JSON.
type described struct {
	Columns []describedColumn `json:"columns"`
}

type describedColumn struct {
	Name  string    `json:"name"`
	DType shm.DType `json:"dtype"`
	Count int64     `json:"count"`
	Nulls int64     `json:"nulls"`
	Mean  value     `json:"mean"`
	Std   value     `json:"std"`
	Min   value     `json:"min"`
	Max   value     `json:"max"`
}

func (d *describe) Result(keep []bool) (any, error) {
	res := described{Columns: []describedColumn{}}
	for i, c := range d.columns {
		if !keep[i] {
			continue
		}
		t := &d.totals[i]
		col := describedColumn{Name: c.Name, DType: c.DType, Count: t.Sums.N, Nulls: t.Nulls}
		col.Mean = floatValue(t.Sums.Mean())
		col.Std = floatValue(t.Sums.Std())
		if lo, hi, ok := t.Range.Int64(); ok {
			col.Min, col.Max = intValue(lo), intValue(hi)
		} else if lo, hi, ok := t.Range.Uint64(); ok {
			col.Min, col.Max = intValue(lo), intValue(hi)
		} else if lo, hi, ok := t.Range.Float64(); ok {
			col.Min, col.Max = floatValue(lo, true), floatValue(hi, true)
		}
		res.Columns = append(res.Columns, col)
	}
	return res, nil
}
