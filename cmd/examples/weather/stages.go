package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"example.com/handoff/pool"
	"example.com/handoff/pool/pipeline"
	"example.com/handoff/shm"
)

const quantities = 3 // pressure, temperature, wind

// A year has the days of one text. Its arrays are in shared memory.
type year struct {
	N      int
	Window int
	Values [quantities]shm.View[float64]
}

// A smoothed year comes back from a worker.
type smoothed struct {
	N       int
	Medians [quantities]shm.OwnedView[float64]
}

// parse reads CSV with a header. The pipeline releases the arrays.
func parse(ctx context.Context, p *pool.Pool, t text, window int) (y year, err error) {
	rows := bytes.Count(t.csv, []byte{'\n'}) - 1
	if rows < 1 {
		return y, fmt.Errorf("year %d has no rows", t.year)
	}
	y.N, y.Window = t.year, window
	var columns [quantities][]float64
	for i := range columns {
		a, err := shm.MakeWait[float64](ctx, p.Arena(), rows)
		if err != nil {
			return y, err
		}
		pipeline.Hold(ctx, a)
		columns[i], y.Values[i] = a.Data(), a.View()
	}
	r := csv.NewReader(bytes.NewReader(t.csv))
	r.ReuseRecord, r.FieldsPerRecord = true, 1+quantities
	if _, err := r.Read(); err != nil { // the header
		return y, fmt.Errorf("year %d: %w", t.year, err)
	}
	for row := 0; ; row++ {
		record, err := r.Read()
		if errors.Is(err, io.EOF) && row == rows {
			return y, nil
		}
		if err == nil && row == rows {
			err = errors.New("expected an end of line behind each row")
		}
		if err != nil {
			return y, fmt.Errorf("year %d: row %d of %d: %w", t.year, row+1, rows, err)
		}
		for i := range columns {
			if columns[i][row], err = strconv.ParseFloat(record[1+i], 64); err != nil {
				return y, fmt.Errorf("year %d: row %d: %w", t.year, row+1, err)
			}
		}
	}
}

// transform runs in a worker process: it reads the year's arrays where they lie, and
// returns arrays that lie in shared memory too.
var transform = pool.Func("weather.transform", func(t *pool.Task, y year) (s smoothed, err error) {
	s.N = y.N
	for i, v := range y.Values {
		m, err := shm.MakeWait[float64](t.Context(), t.Arena(), v.Len())
		if err != nil {
			return s, err
		}
		medians(m.Data(), v.Data(), y.Window)
		s.Medians[i] = m.Own()
	}
	return s, nil
})

// medians sets each element of out to the median of the window of x that ends with it; of
// what there is of it at first.
func medians(out, x []float64, window int) {
	var sorted []float64
	for i, v := range x {
		if i >= window {
			old, _ := slices.BinarySearch(sorted, x[i-window])
			sorted = slices.Delete(sorted, old, old+1)
		}
		at, _ := slices.BinarySearch(sorted, v)
		sorted = slices.Insert(sorted, at, v)
		n := len(sorted)
		out[i] = sorted[(n-1)/2]/2 + sorted[n/2]/2
	}
}
