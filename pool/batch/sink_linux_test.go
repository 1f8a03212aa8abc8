package batch

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool/journal"
	"example.com/handoff/shm"
)

// A chunk that is given up between two of its blocks leaves no gap before the next one.
func TestGivenUpChunkLeavesNoGap(t *testing.T) {
	e := &engine{fs: journal.OS(), out: filepath.Join(t.TempDir(), "out.csv"), id: "test", store: &store{}}
	file, err := e.openTemp("")
	require.NoError(t, err)
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Float64}}, nil)
	e.sink, err = newSink(file, files.CSV, schema, nil)
	require.NoError(t, err)
	rows := func() formatted {
		b := array.NewFloat64Builder(memory.DefaultAllocator)
		b.Append(7)
		return formatted{block: block{outs: []Out{OutArray(b.NewArray())}, rows: 1}}
	}
	r := &passRun{engine: e, pass: &Pass{Output: schema.Fields()}}
	ctx, cancel := context.WithCancel(context.Background())
	late := rows()
	late.text = func(context.Context) (shm.OwnedView[byte], error) {
		cancel()
		return shm.OwnedView[byte]{}, errors.New("not waited for")
	}
	require.NoError(t, r.write(ctx, &commit{index: 0, units: 1, blocks: []formatted{rows(), late}}))
	require.NoError(t, r.write(context.Background(), &commit{index: 1, units: 1, blocks: []formatted{rows()}}))
	require.Len(t, e.sink.extents, 1)
	require.Len(t, r.group, 1)

	again, err := newSink(file, files.CSV, schema, e.sink.extents) // as a later run does
	require.NoError(t, err)
	require.Equal(t, e.sink.off, again.off)
	require.NoError(t, file.close())
}
