package files

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/handoff/arrowipc"
	"example.com/handoff/shm"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const shared = "../../testdata/"

// newAllocator makes an allocator that is held to have everything back, and its
// run to leave nothing, at the end of the test.
func newAllocator(t testing.TB, maxBytes int64) (*arrowipc.Allocator, *shm.Arena) {
	t.Helper()
	run, err := shm.NewRun()
	require.NoError(t, err)
	arena := run.NewArena(&shm.ArenaOptions{SegmentBytes: 1 << 20, MaxBytes: maxBytes})
	a := arrowipc.NewAllocator(arena)
	t.Cleanup(func() {
		require.Zero(t, a.Live(), "blocks not given back")
		require.NoError(t, run.Close())
		entries, err := os.ReadDir("/dev/shm")
		require.NoError(t, err)
		for _, e := range entries {
			require.False(t, strings.Contains(e.Name(), run.ID()), e.Name())
		}
	})
	return a, arena
}

// newFile writes content to a new file of that name.
func newFile(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

// A column of cells as Go values, nil for null.
type cells []any

// readAll reads a file to its end: names and cells of the columns and the sizes
// of the records. It releases everything.
func readAll(t testing.TB, a *arrowipc.Allocator, path string, o *Options) (names []string, cols []cells, sizes []int, err error) {
	t.Helper()
	r, err := Open(path, a, o)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { require.NoError(t, r.Close()) }()
	for _, f := range r.Schema().Fields() {
		names = append(names, f.Name)
	}
	cols = make([]cells, len(names))
	for {
		rec, err := r.Next(context.Background())
		if err == io.EOF {
			done, total := r.BytesRead()
			require.Equal(t, total, done)
			return names, cols, sizes, nil
		}
		if err != nil {
			_, again := r.Next(context.Background())
			require.Equal(t, err, again, "a final error is said again")
			return names, cols, sizes, err
		}
		require.True(t, rec.Schema().Equal(r.Schema()))
		require.Positive(t, rec.NumRows())
		sizes = append(sizes, int(rec.NumRows()))
		for i, arr := range rec.Columns() {
			cols[i] = append(cols[i], values(t, a, arr)...)
		}
		rec.Release()
	}
}

// values takes an array out of shared memory through its Column.
func values(t testing.TB, a *arrowipc.Allocator, arr arrow.Array) cells {
	switch arr.DataType().ID() {
	case arrow.INT8:
		return typed[int8](t, a, arr)
	case arrow.INT16:
		return typed[int16](t, a, arr)
	case arrow.INT32:
		return typed[int32](t, a, arr)
	case arrow.INT64:
		return typed[int64](t, a, arr)
	case arrow.UINT8:
		return typed[uint8](t, a, arr)
	case arrow.UINT16:
		return typed[uint16](t, a, arr)
	case arrow.UINT32:
		return typed[uint32](t, a, arr)
	case arrow.UINT64:
		return typed[uint64](t, a, arr)
	case arrow.FLOAT32:
		return typed[float32](t, a, arr)
	case arrow.FLOAT64:
		return typed[float64](t, a, arr)
	}
	t.Fatalf("a column of %v was handed out", arr.DataType())
	return nil
}

func typed[T shm.Element](t testing.TB, a *arrowipc.Allocator, arr arrow.Array) (out cells) {
	c, err := arrowipc.ColumnOf[T](a, arr)
	require.NoError(t, err)
	require.Equal(t, int64(arr.NullN()), c.Nulls)
	data := c.Values.Data()
	for i := range int(c.Len) {
		if c.IsNull(i) {
			out = append(out, nil)
		} else {
			out = append(out, data[i])
		}
	}
	return out
}

// requireRefusal holds an error against what every error about a file must be.
func requireRefusal(t testing.TB, err error, path string) {
	t.Helper()
	require.Error(t, err)
	require.NotContains(t, err.Error(), "\n")
	require.Contains(t, err.Error(), filepath.Base(path))
	var known *fileError
	var row *RowError
	require.True(t, errors.As(err, &known) || errors.As(err, &row), "%T: %v", err, err)
}
