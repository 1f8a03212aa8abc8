package ops

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"

	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
)

func TestMain(m *testing.M) {
	pool.Main()
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // for the workers
	os.Exit(m.Run())
}

var types = []arrow.DataType{
	arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
	arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
	arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64,
}

// arrowFile writes batches of the given sizes with a column of each type, every
// seventh value null, and returns the values that are not, by column.
func arrowFile(t *testing.T, sizes ...int) (path string, values [][]float64) {
	t.Helper()
	var fields []arrow.Field
	for _, typ := range types {
		fields = append(fields, arrow.Field{Name: typ.Name(), Type: typ, Nullable: true})
	}
	schema := arrow.NewSchema(fields, nil)
	path = filepath.Join(t.TempDir(), "types.arrow")
	f, err := os.Create(path)
	require.NoError(t, err)
	w, err := ipc.NewFileWriter(f, ipc.WithSchema(schema))
	require.NoError(t, err)
	rnd := rand.New(rand.NewPCG(3, 4))
	values = make([][]float64, len(types))
	n := 0
	for _, size := range sizes {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for range size {
			for c := range types {
				if n++; n%7 == 0 {
					b.Field(c).AppendNull()
					continue
				}
				values[c] = append(values[c], appendRandom(b.Field(c), rnd))
			}
		}
		rec := b.NewRecord()
		require.NoError(t, w.Write(rec))
		rec.Release()
		b.Release()
	}
	require.NoError(t, w.Close())
	require.NoError(t, f.Close())
	return path, values
}

func appendRandom(b array.Builder, rnd *rand.Rand) float64 {
	switch b := b.(type) {
	case *array.Int8Builder:
		return appendTo(b, int8(rnd.Uint64()))
	case *array.Int16Builder:
		return appendTo(b, int16(rnd.Uint64()))
	case *array.Int32Builder:
		return appendTo(b, int32(rnd.Uint64()))
	case *array.Int64Builder:
		return appendTo(b, int64(rnd.Uint64()))
	case *array.Uint8Builder:
		return appendTo(b, uint8(rnd.Uint64()))
	case *array.Uint16Builder:
		return appendTo(b, uint16(rnd.Uint64()))
	case *array.Uint32Builder:
		return appendTo(b, uint32(rnd.Uint64()))
	case *array.Uint64Builder:
		return appendTo(b, rnd.Uint64())
	case *array.Float32Builder:
		return appendTo(b, float32(rnd.NormFloat64()))
	case *array.Float64Builder:
		return appendTo(b, math.Ldexp(rnd.NormFloat64(), rnd.IntN(40)))
	}
	panic("no such builder")
}

func appendTo[T number](b interface{ Append(T) }, v T) float64 {
	b.Append(v)
	return float64(v)
}

func TestDescribeEveryType(t *testing.T) {
	path, values := arrowFile(t, 1000, 0, 1, 3333)
	var first string
	for _, job := range []batch.Job{
		{ChunkRows: 5},
		{ChunkRows: 13},
		{ChunkRows: 1000000, Pool: pool.Options{Workers: 1}},
		{Pool: pool.Options{Workers: 3}},
		{ChunkRows: 99, Pool: pool.Options{Isolation: pool.Goroutine}},
	} {
		job.Inputs, job.Op = []string{path}, "describe"
		res, err := batch.Run(context.Background(), job)
		require.NoError(t, err)
		require.Equal(t, int64(4334), res.Summary.Rows)
		b, err := json.Marshal(res.Value)
		require.NoError(t, err)
		if first == "" {
			first = string(b)
		}
		require.Equal(t, first, string(b), fmt.Sprintf("%+v", job))
	}
	var got struct {
		Columns []struct {
			Name, DType         string
			Count, Nulls        int
			Mean, Std, Min, Max float64
		}
	}
	require.NoError(t, json.Unmarshal([]byte(first), &got))
	require.Len(t, got.Columns, len(types))
	for i, c := range got.Columns {
		mean, std := stat.MeanStdDev(values[i], nil)
		require.Equal(t, types[i].Name(), c.DType)
		require.Equal(t, len(values[i]), c.Count)
		require.Equal(t, 4334-len(values[i]), c.Nulls)
		require.InEpsilon(t, mean, c.Mean, 1e-9, c.Name)
		require.InEpsilon(t, std, c.Std, 1e-9, c.Name)
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, v := range values[i] {
			lo, hi = min(lo, v), max(hi, v)
		}
		require.Equal(t, [2]float64{lo, hi}, [2]float64{c.Min, c.Max}, c.Name)
	}
}

// Numbers keep all their digits.
func TestValues(t *testing.T) {
	for want, v := range map[string]value{
		"18446744073709551615":   intValue(uint64(math.MaxUint64)),
		"-9223372036854775808":   intValue(int64(math.MinInt64)),
		`"-Inf"`:                 floatValue(math.Inf(-1), true),
		"-0.0":                   floatValue(math.Copysign(0, -1), true),
		"0":                      floatValue(0, true),
		"5e-324":                 floatValue(5e-324, true),
		"1e-07":                  floatValue(1e-7, true),
		"0.000001":               floatValue(1e-6, true),
		"9007199254740991":       floatValue(1<<53-1, true),
		"-9.007199254740992e+15": floatValue(-1<<53, true),
		"1.152921504606847e+18":  floatValue(1<<60, true),
		"1e+20":                  floatValue(1e20, true),
		"null":                   floatValue(1, false),
	} {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		require.Equal(t, want, string(b))
	}
}

// What looks like an integer is the number that it says, and everything is read back
// as the same float64.
func TestFloatsReadExactly(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := rapid.OneOf(rapid.Float64(), rapid.Custom(func(rt *rapid.T) float64 {
			return math.Trunc(math.Ldexp(rapid.Float64Range(-1, 1).Draw(rt, "fraction"), rapid.IntRange(0, 80).Draw(rt, "exponent")))
		})).Draw(rt, "float")
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return
		}
		text := floatValue(f, true).text
		var back float64
		if err := json.Unmarshal([]byte(text), &back); err != nil || math.Float64bits(back) != math.Float64bits(f) {
			rt.Fatalf("%v is written as %s and read back as %v, %v", f, text, back, err)
		}
		if n, ok := new(big.Int).SetString(text, 10); ok {
			if exactly, _ := big.NewFloat(f).Int(nil); n.Cmp(exactly) != 0 || math.Signbit(f) != (n.Sign() < 0) {
				rt.Fatalf("%s is another number than %f", text, f)
			}
		}
	})
}
