package ops

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc"
	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	"example.com/handoff/shm"
)

// floatFields are output columns of float64 with the input's names.
func floatFields(columns []batch.Column) (fields []arrow.Field) {
	fields = []arrow.Field{}
	for _, c := range columns {
		fields = append(fields, arrow.Field{Name: c.Name, Type: arrow.PrimitiveTypes.Float64, Nullable: true})
	}
	return fields
}

// output waits for a column of floats that a worker returns.
func output(f pool.Future[arrowipc.OwnedColumn[float64]]) batch.Pending {
	return func(ctx context.Context) (batch.Outcome, error) {
		c, err := f.Wait(ctx)
		if err != nil {
			return batch.Outcome{}, err
		}
		out, err := batch.OutOf(c)
		return batch.Outcome{Output: []batch.Out{out}}, err
	}
}

// newFloats is a column for a worker to fill and return; all of it is null until
// it is set.
type newFloats struct {
	values []float64
	valid  []byte
	column arrowipc.OwnedColumn[float64]
	given  shm.Array[float64]
	bits   shm.Array[byte]
}

func makeFloats(t *pool.Task, n int) (f newFloats, err error) {
	if n == 0 {
		return f, nil
	}
	if f.given, err = shm.MakeWait[float64](t.Context(), t.Arena(), n); err != nil {
		return f, err
	}
	if f.bits, err = shm.MakeWait[byte](t.Context(), t.Arena(), (n+7)/8); err != nil {
		return f, err
	}
	f.values, f.valid = f.given.Data(), f.bits.Data()
	clear(f.values)
	clear(f.valid)
	f.column = arrowipc.OwnedColumn[float64]{Len: int64(n), Nulls: int64(n)}
	return f, nil
}

func (f *newFloats) set(i int, v float64) {
	f.values[i] = v
	f.valid[i/8] |= 1 << (i % 8)
	f.column.Nulls--
}

func (f *newFloats) done() arrowipc.OwnedColumn[float64] {
	if f.column.Len > 0 {
		f.column.Values = f.given.Own()
	}
	if f.column.Nulls > 0 {
		f.column.Valid = f.bits.Own()
	}
	return f.column
}
