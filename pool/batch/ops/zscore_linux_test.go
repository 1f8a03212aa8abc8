package ops

import (
	"context"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"

	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
)

// The mean and the standard deviation are describe's, to the last bit, whatever the
// chunks and workers; and near those of gonum.
func TestZScore(t *testing.T) {
	in := everyType(140)
	inputs := in.files(t, []int{20, 17}, []int{0, 1}, []int{0, 82, 20})
	res, err := batch.Run(context.Background(), batch.Job{Inputs: inputs, Op: "describe", Pool: pool.Options{Isolation: pool.Goroutine}})
	require.NoError(t, err)
	described := res.Value.(described).Columns

	want := processes[0].output(t, "zscore", ".csv", inputs)
	for _, s := range slices.Concat(cuts, processes) {
		requireSameLines(t, want, s.output(t, "zscore", ".csv", inputs), s)
	}
	names, values, null := readCSV(t, want)
	require.Equal(t, in.names, names)
	numbers := 0
	for c, name := range names {
		x, isNull := in.floats(c)
		require.Len(t, values[c], len(x))
		var valid []float64
		for i := range x {
			if !isNull[i] {
				valid = append(valid, x[i])
			}
		}
		mean, std := stat.MeanStdDev(valid, nil)
		for i, v := range x {
			switch {
			case isNull[i] || name == "single":
				require.True(t, null[c][i], "%s row %d", name, i)
				continue
			case name == "same":
				require.True(t, math.IsNaN(values[c][i]))
			case name == "huge": // gonum's squares are infinite
			default:
				if z := stat.StdScore(v, mean, std); math.IsNaN(z) || math.IsInf(std, 0) {
					require.True(t, math.IsNaN(values[c][i]), "%s row %d: %v", name, i, values[c][i])
				} else {
					require.InDelta(t, z, values[c][i], 1e-9*(1+math.Abs(z)), "%s row %d", name, i)
					numbers++
				}
			}
			require.False(t, null[c][i], "%s row %d", name, i)
			if std := described[c].Std.text; std != "" && std[0] != '"' {
				requireSame(t, stat.StdScore(v, parse(t, described[c].Mean), parse(t, described[c].Std)), values[c][i], name, i)
			}
		}
	}
	require.Greater(t, numbers, 140*8, "too few numbers to test anything")
}

// In Arrow the record batches are the chunks, so the bytes depend on these alone.
func TestZScoreArrow(t *testing.T) {
	in := everyType(140)
	inputs := in.files(t, []int{50}, []int{0, 1}, []int{89})
	_, want, wantNull := readCSV(t, cuts[3].output(t, "zscore", ".csv", inputs))
	for rows, wantSizes := range map[int][]int{0: {50, 1, 89}, 64: {50, 1, 64, 25}} {
		var first []byte
		for _, s := range []setting{{rows, 1, pool.Goroutine}, {rows, 3, pool.Goroutine}, {rows, 2, pool.Process}} {
			got := s.output(t, "zscore", ".arrow", inputs)
			if first == nil {
				first = got
			}
			require.Equal(t, first, got, "%+v", s)
		}
		values, null, sizes := readArrow(t, first)
		require.Equal(t, wantSizes, sizes)
		require.Equal(t, wantNull, null)
		for c := range want {
			for i := range want[c] {
				if !null[c][i] {
					requireSame(t, want[c][i], values[c][i], in.names[c], i)
				}
			}
		}
	}
}

// describe as CSV has a line for each column, and the digits of the JSON.
func TestDescribeCSV(t *testing.T) {
	in := everyType(140)
	inputs := in.files(t, []int{140})
	want := cuts[0].output(t, "describe", ".csv", inputs)
	for _, s := range slices.Concat(cuts[1:], processes[:1]) {
		requireSameLines(t, want, s.output(t, "describe", ".csv", inputs), s)
	}
	res, err := batch.Run(context.Background(), batch.Job{Inputs: inputs, Op: "describe", Pool: pool.Options{Isolation: pool.Goroutine}})
	require.NoError(t, err)
	header, rows := res.Value.(described).Table()
	require.Equal(t, []string{"name", "dtype", "count", "nulls", "mean", "std", "min", "max"}, header)
	require.Len(t, rows, len(in.names))
	require.Contains(t, string(want), "\nsame,float64,140,0,0.1,0,0.1,0.1\n")
	require.Contains(t, string(want), "\nsingle,float64,1,139,5,,5,5\n")
	for c, row := range rows {
		require.Equal(t, in.names[c], row[0])
		_, null := in.floats(c)
		nulls := 0
		for _, n := range null {
			if n {
				nulls++
			}
		}
		require.Equal(t, int64(nulls), res.Value.(described).Columns[c].Nulls)
	}
}

// parse is the number of a value.
func parse(t *testing.T, v value) float64 {
	f, err := strconv.ParseFloat(v.text, 64)
	require.NoError(t, err)
	return f
}
