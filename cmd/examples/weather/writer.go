package main

import (
	"context"
	"io"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"example.com/handoff/arrowipc"
	"example.com/handoff/arrowipc/files"
)

var schema = arrow.NewSchema([]arrow.Field{
	{Name: "year", Type: arrow.PrimitiveTypes.Int64},
	{Name: "pressure", Type: arrow.PrimitiveTypes.Float64},
	{Name: "temperature", Type: arrow.PrimitiveTypes.Float64},
	{Name: "wind", Type: arrow.PrimitiveTypes.Float64},
}, nil)

// A writer is the end of the pipeline. An Arrow file's values go from the workers'
// memory to the file; nothing is copied between.
type writer struct {
	w       io.Writer
	encoder *files.Encoder
	blocks  []files.Block
}

func newWriter(w io.Writer, format files.Format) (*writer, error) {
	e, err := files.NewEncoder(format, schema)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(e.Head())
	return &writer{w: w, encoder: e}, err
}

func (w *writer) write(_ context.Context, s smoothed) error {
	rows := s.Medians[0].Len()
	numbers := array.NewInt64Builder(memory.DefaultAllocator)
	defer numbers.Release()
	numbers.Reserve(rows)
	for range rows {
		numbers.UnsafeAppend(int64(s.N))
	}
	columns := []arrow.Array{numbers.NewArray()}
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	for _, m := range s.Medians { // the pipeline's, which releases them when write returns
		c, err := arrowipc.ArrayOf(arrowipc.Column[float64]{Values: m.View(), Len: int64(m.Len())}, nil)
		if err != nil {
			return err
		}
		columns = append(columns, c)
	}
	rec := array.NewRecord(schema, columns, int64(rows))
	defer rec.Release()
	block, err := w.encoder.WriteChunk(w.w, rec)
	w.blocks = append(w.blocks, block)
	return err
}

func (w *writer) end() error {
	tail, err := w.encoder.Tail(slices.Values(w.blocks))
	if err != nil {
		return err
	}
	_, err = w.w.Write(tail)
	return err
}
