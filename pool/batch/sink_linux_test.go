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

// A chunk that is given up between two of its pieces leaves no gap before the next one.
func TestGivenUpChunkLeavesNoGap(t *testing.T) {
	e := &engine{outputs: outputs{fs: journal.OS(), path: filepath.Join(t.TempDir(), "out.csv"), id: "test", store: &store{}}}
	o := &e.outputs
	file, err := o.openTemp(o.path, "")
	require.NoError(t, err)
	schema := arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Float64}}, nil)
	o.sink, err = newSink(file, files.CSV, schema, nil)
	require.NoError(t, err)
	rows := func() outRows {
		b := array.NewFloat64Builder(memory.DefaultAllocator)
		b.Append(7)
		return outRows{columns: []Out{{array: b.NewArray()}}}
	}
	p := &passRun{e: e, pass: &Pass{Output: schema.Fields()}}
	ctx, cancel := context.WithCancel(context.Background())
	late := rows()
	late.text = func(context.Context) (shm.OwnedView[byte], error) {
		cancel()
		return shm.OwnedView[byte]{}, errors.New("not waited for")
	}
	require.NoError(t, p.write(ctx, &commit{index: 0, tasks: 1, output: []outRows{rows(), late}}))
	require.NoError(t, p.write(context.Background(), &commit{index: 1, tasks: 1, output: []outRows{rows()}}))
	require.Len(t, o.sink.extents, 1)
	require.Len(t, p.group.take(), 1)

	again, err := newSink(file, files.CSV, schema, o.sink.extents) // as a later run does
	require.NoError(t, err)
	require.Equal(t, o.sink.off, again.off)
	require.NoError(t, file.close())
}
