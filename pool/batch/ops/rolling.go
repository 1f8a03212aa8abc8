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
	"example.com/handoff/shm"
)

// Rolling is the operation "rolling": every value becomes the mean or median of the
// window of rows that ends with it, a float64. It is null where the window reaches
// over the first row or holds a null, NaN where it holds a NaN. Each window is
// computed by itself, so the result does not depend on how the rows are cut; the mean
// takes time in proportion to the window.
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
	fn := pool.Func("rolling."+shm.DTypeOf[T]().String(), func(t *pool.Task, in rollIn[T]) (arrowipc.Column[float64], error) {
		out, err := makeFloats(t, int(in.Rows.Len))
		if err != nil {
			return out.column, err
		}
		w := newWindow(in.Window, in.Median)
		for i, v := range in.Before.Values.Data() {
			w.add(float64(v), in.Before.IsNull(i))
		}
		for i, v := range in.Rows.Values.Data() {
			w.add(float64(v), in.Rows.IsNull(i))
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
type window struct {
	n      int
	median bool
	rows   []float64 // the last of them, up to 2·n
	null   []bool    // as rows
	nulls  int       // in the window
	nans   int       // in the window
	sorted []float64 // those in the window that are numbers, for the median
}

func newWindow(n int, median bool) *window { return &window{n: n, median: median} }

func (w *window) add(v float64, null bool) {
	if len(w.rows) == 2*w.n {
		w.rows, w.null = append(w.rows[:0], w.rows[w.n:]...), append(w.null[:0], w.null[w.n:]...)
	}
	if len(w.rows) >= w.n {
		w.count(w.rows[len(w.rows)-w.n], w.null[len(w.null)-w.n], -1)
	}
	w.rows, w.null = append(w.rows, v), append(w.null, null)
	w.count(v, null, 1)
}

// count takes a row into the window, or out of it.
func (w *window) count(v float64, null bool, by int) {
	switch {
	case null:
		w.nulls += by
	case math.IsNaN(v):
		w.nans += by
	case w.median:
		i, _ := slices.BinarySearch(w.sorted, v)
		if by > 0 {
			w.sorted = slices.Insert(w.sorted, i, v)
		} else {
			w.sorted = slices.Delete(w.sorted, i, i+1)
		}
	}
}

// value is what the window gives; false for null.
func (w *window) value() (float64, bool) {
	switch {
	case len(w.rows) < w.n || w.nulls > 0:
		return 0, false
	case w.nans > 0:
		return math.NaN(), true
	case !w.median:
		return mean(w.rows[len(w.rows)-w.n:]), true
	}
	lo, hi := w.sorted[(w.n-1)/2], w.sorted[w.n/2]
	mid := (lo + hi) / 2
	if math.IsInf(mid, 0) { // or the sum was too large
		mid = lo/2 + hi/2
	}
	return mid + 0, true // which of 0 and −0 is first in sorted is chance
}

// mean adds up in an order that depends on nothing but the number of values. That of
// gonum's sum depends on where they lie in memory, and so on where the chunk began.
func mean(x []float64) float64 {
	n := float64(len(x))
	var a, b, c, d float64
	for rest := x; ; rest = rest[4:] {
		if len(rest) < 4 {
			for _, v := range rest {
				a += v
			}
			break
		}
		a, b, c, d = a+rest[0], b+rest[1], c+rest[2], d+rest[3]
	}
	sum := (a + b) + (c + d)
	if !math.IsInf(sum, 0) && !math.IsNaN(sum) {
		return sum / n
	}
	m := 0.0 // there is an infinity, or the sum was too large
	for _, v := range x {
		m += v / n
	}
	return m
}
