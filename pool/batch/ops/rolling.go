package ops

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"example.com/handoff/arrowipc"
	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	"example.com/handoff/pool/batch/ops/internal/exact"
	"example.com/handoff/shm"
)

// Rolling is the operation "rolling": every value becomes the mean or median of the
// window of rows that ends with it: the float64 nearest to the exact one, also of
// integers beyond 2^53. The median of an even number of rows is the mean of the two in
// the middle. A mean of infinities is what IEEE 754 makes of their sum. The result is
// null where the window reaches over the first row or holds a null, NaN where it holds
// a NaN, -0 where the rows that it is the mean of are all -0.
//
// As nothing is rounded but the result, it does not depend on how the rows are cut.
var Rolling = batch.Register(&batch.Op{
	Name: "rolling",
	Doc:  "mean or median of the window of rows that ends with each row; null where the window is not full or holds a null",
	Params: []batch.Param{
		{Name: "stat", Default: "mean", Doc: "mean or median", Check: func(s string) error {
			if s != "mean" && s != "median" {
				return errors.New("expected mean or median")
			}
			return nil
		}},
		{Name: "window", Default: "24", Doc: "rows, 1 to 65536", Check: func(s string) error {
			if n, err := strconv.Atoi(s); err != nil || n < 1 || n > mostWindow {
				return fmt.Errorf("expected 1 to %d rows", mostWindow)
			}
			return nil
		}},
	},
	Start: func(s batch.Start) (batch.Plan, error) {
		window, err := strconv.Atoi(s.Params["window"])
		return &rolling{s.Columns, window, s.Params["stat"] == "median"}, err
	},
})

const mostWindow = 1 << 16

// rolling is one job.
type rolling struct {
	columns []batch.Column
	window  int
	median  bool
}

func (r *rolling) Passes() []batch.Pass {
	return []batch.Pass{{Halo: r.window - 1, Output: floatFields(r.columns), Map: r.roll}}
}

func (r *rolling) Result([]bool) (any, error) { return nil, nil }

func (r *rolling) roll(ctx context.Context, p batch.Piece) (batch.Pending, error) {
	return rollers[r.columns[p.Column].DType](ctx, p, r.window, r.median)
}

type roller func(ctx context.Context, p batch.Piece, window int, median bool) (batch.Pending, error)

var rollers = map[shm.DType]roller{
	shm.Int8:    newRoller[int8](),
	shm.Int16:   newRoller[int16](),
	shm.Int32:   newRoller[int32](),
	shm.Int64:   newRoller[int64](),
	shm.Uint8:   newRoller[uint8](),
	shm.Uint16:  newRoller[uint16](),
	shm.Uint32:  newRoller[uint32](),
	shm.Uint64:  newRoller[uint64](),
	shm.Float32: newRoller[float32](),
	shm.Float64: newRoller[float64](),
}

type rollIn[T number] struct {
	Before, Rows arrowipc.Column[T]
	Window       int
	Median       bool
}

func newRoller[T number]() roller {
	fn := pool.Func("rolling."+shm.DTypeOf[T]().String(), func(t *pool.Task, in rollIn[T]) (arrowipc.OwnedColumn[float64], error) {
		out, err := makeFloats(t, int(in.Rows.Len))
		if err != nil {
			return out.column, err
		}
		w := newWindow[T](in.Window, in.Median)
		for i, v := range in.Before.Values.Data() {
			w.add(v, in.Before.IsNull(i))
		}
		for i, v := range in.Rows.Values.Data() {
			w.add(v, in.Rows.IsNull(i))
			if v, ok := w.value(); ok {
				out.set(i, v)
			}
		}
		return out.done(), nil
	})
	return func(ctx context.Context, p batch.Piece, window int, median bool) (batch.Pending, error) {
		in := rollIn[T]{Window: window, Median: median}
		var err error
		if in.Rows, err = arrowipc.ColumnOf[T](p.Alloc, p.Rows[0]); err != nil {
			return nil, err
		}
		if p.Before != nil {
			if in.Before, err = arrowipc.ColumnOf[T](p.Alloc, p.Before[0]); err != nil {
				return nil, err
			}
		}
		f, err := fn.Submit(ctx, p.Pool, in)
		if err != nil {
			return nil, err
		}
		return output(f), nil
	}
}

// A window is the last rows that were added.
type window[T number] struct {
	n      int
	median bool
	rows   []T    // the last of them, up to 2·n
	null   []bool // as rows
	nulls  int    // in the window
	nans   int    // in the window
	// Of those in the window that are neither null nor NaN.
	sum    exact.Running // for the mean
	sorted []uint64      // for the median: their keys
}

func newWindow[T number](n int, median bool) *window[T] { return &window[T]{n: n, median: median} }

func (w *window[T]) add(v T, null bool) {
	if len(w.rows) == 2*w.n {
		w.rows, w.null = append(w.rows[:0], w.rows[w.n:]...), append(w.null[:0], w.null[w.n:]...)
	}
	if len(w.rows) >= w.n {
		w.leave(w.rows[len(w.rows)-w.n], w.null[len(w.null)-w.n])
	}
	w.rows, w.null = append(w.rows, v), append(w.null, null)
	switch {
	case null:
		w.nulls++
	case v != v:
		w.nans++
	case w.median:
		key := exact.Key(v)
		i, _ := slices.BinarySearch(w.sorted, key)
		w.sorted = slices.Insert(w.sorted, i, key)
	default:
		exact.Enter(&w.sum, v)
	}
}

// leave takes a row out of the window.
func (w *window[T]) leave(v T, null bool) {
	switch {
	case null:
		w.nulls--
	case v != v:
		w.nans--
	case w.median:
		i, _ := slices.BinarySearch(w.sorted, exact.Key(v))
		w.sorted = slices.Delete(w.sorted, i, i+1)
	default:
		exact.Leave(&w.sum, v)
	}
}

// value returns the statistic of the window; false for null.
func (w *window[T]) value() (float64, bool) {
	switch {
	case len(w.rows) < w.n || w.nulls > 0:
		return 0, false
	case w.nans > 0:
		return math.NaN(), true
	case !w.median:
		return w.sum.Mean()
	}
	var middle exact.Running
	exact.Enter(&middle, exact.FromKey[T](w.sorted[(w.n-1)/2]))
	exact.Enter(&middle, exact.FromKey[T](w.sorted[w.n/2]))
	return middle.Mean()
}
