package batch_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"example.com/handoff/arrowipc"
	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
)

// The worker's side: positive values of a piece of a column.
var countPositive = pool.Func("example.positive", func(_ *pool.Task, c arrowipc.Column[float64]) (int64, error) {
	n := int64(0)
	for i, v := range c.Values.Data() {
		if v > 0 && !c.IsNull(i) {
			n++
		}
	}
	return n, nil
})

// The supervisor's side: one job of the operation.
type positive struct {
	columns []batch.Column
	counts  []int64
}

var _ = batch.Register(&batch.Op{
	Name: "positive", Doc: "how many values of each column are above 0",
	Start: func(s batch.Start) (batch.Plan, error) {
		return &positive{s.Columns, make([]int64, len(s.Columns))}, nil
	},
})

func (p *positive) Passes() []batch.Pass { return []batch.Pass{{Map: p.submit, Merge: p.merge}} }

func (p *positive) submit(ctx context.Context, piece batch.Piece) (batch.Pending, error) {
	c, err := arrowipc.ColumnOf[float64](piece.Alloc, piece.Rows[0])
	if err != nil {
		return nil, err
	}
	future, err := countPositive.Submit(ctx, piece.Pool, c)
	return func(ctx context.Context) (batch.Outcome, error) {
		n, err := future.Wait(ctx)
		return batch.Outcome{Partial: binary.AppendVarint(nil, n)}, err
	}, err
}

func (p *positive) merge(column int, partial []byte) error {
	n, _ := binary.Varint(partial)
	p.counts[column] += n
	return nil
}

func (p *positive) Result(keep []bool) (any, error) {
	counts := map[string]int64{}
	for i, c := range p.columns {
		if keep[i] {
			counts[c.Name] = p.counts[i]
		}
	}
	return counts, nil
}

// How is an operation of one's own run over a file? A program's main calls pool.Main first.
func ExampleRegister() {
	dir, err := os.MkdirTemp("", "batch-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "weather.csv")
	if err := os.WriteFile(path, []byte("temperature,wind\n-3,2\n4,0\n1,\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	res, err := batch.Run(context.Background(), batch.Job{
		Inputs: []string{path}, Op: "positive", ChunkRows: 2, Pool: pool.Options{Workers: 1},
	})
	if err != nil {
		log.Print(err)
		return
	}
	fmt.Println(res.Value, "in", res.Summary.Chunks, "chunks")
	// Output: map[temperature:2 wind:1] in 2 chunks
}
