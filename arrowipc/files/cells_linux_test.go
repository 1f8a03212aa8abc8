package files

import (
	"math"
	"os"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/stretchr/testify/require"
)

// overwrite puts content in the place of a file's.
func overwrite(t require.TestingT, path string, content []byte) {
	require.NoError(t, os.WriteFile(path, content, 0o600))
}

// anyCells are the elements of an array, wherever it lies.
func anyCells(arr arrow.Array) (out cells) {
	for i := range arr.Len() {
		if arr.IsNull(i) {
			out = append(out, nil)
			continue
		}
		switch a := arr.(type) {
		case *array.Int8:
			out = append(out, a.Value(i))
		case *array.Int16:
			out = append(out, a.Value(i))
		case *array.Int32:
			out = append(out, a.Value(i))
		case *array.Int64:
			out = append(out, a.Value(i))
		case *array.Uint8:
			out = append(out, a.Value(i))
		case *array.Uint16:
			out = append(out, a.Value(i))
		case *array.Uint32:
			out = append(out, a.Value(i))
		case *array.Uint64:
			out = append(out, a.Value(i))
		case *array.Float32:
			out = append(out, a.Value(i))
		case *array.Float64:
			out = append(out, a.Value(i))
		}
	}
	return out
}

// floats are cells as CSV gives them back.
func floats(c cells) (out cells) {
	for _, v := range c {
		switch v := v.(type) {
		case int8:
			out = append(out, float64(v))
		case int16:
			out = append(out, float64(v))
		case int32:
			out = append(out, float64(v))
		case int64:
			out = append(out, float64(v))
		case uint8:
			out = append(out, float64(v))
		case uint16:
			out = append(out, float64(v))
		case uint32:
			out = append(out, float64(v))
		case uint64:
			out = append(out, float64(v))
		case float32:
			out = append(out, float64(v))
		default:
			out = append(out, v)
		}
	}
	return out
}

// requireCells compares bits, but takes every NaN for one.
func requireCells(t require.TestingT, want, got cells) {
	require.Equal(t, len(want), len(got))
	for i := range want {
		if !sameCell(want[i], got[i]) {
			require.Equal(t, want[i], got[i], "cell %d", i)
			t.FailNow()
		}
	}
}

func sameCell(a, b any) bool {
	switch a := a.(type) {
	case float64:
		b, ok := b.(float64)
		return ok && (math.IsNaN(a) && math.IsNaN(b) || math.Float64bits(a) == math.Float64bits(b))
	case float32:
		b, ok := b.(float32)
		return ok && (a != a && b != b || math.Float32bits(a) == math.Float32bits(b))
	}
	return a == b
}
