package ops

import (
	"context"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
)

// exactScores are the scores of column c by arithmetic of many more bits than float64
// has; nil if it has none.
func (t table) exactScores(c int) []float64 {
	number := func() *big.Float { return new(big.Float).SetPrec(4400) } // for sums of any floats' squares
	cells := t.exactCells(c)
	n, sum := number(), number()
	var x []*big.Float
	for _, cell := range cells {
		switch {
		case cell.null:
			x = append(x, nil)
			continue
		case cell.number == nil || cell.number.IsInf():
			return nil
		}
		x = append(x, number().Set(cell.number))
		n.Add(n, big.NewFloat(1))
		sum.Add(sum, cell.number)
	}
	mean, spread := sum.Quo(sum, n), number()
	for _, v := range x {
		if v != nil {
			v.Sub(v, mean)
			spread.Add(spread, number().Mul(v, v))
		}
	}
	if spread.Sign() == 0 || spread.MantExp(nil) < -3000 { // the values are all the same
		return nil
	}
	std := spread.Sqrt(spread.Quo(spread, n.Sub(n, big.NewFloat(1))))
	scores := make([]float64, len(x))
	for i, v := range x {
		if v != nil {
			scores[i], _ = v.Quo(v, std).Float64()
		}
	}
	return scores
}

// Every value is the nearest to the exact one, whatever the chunks and workers.
func TestZScore(t *testing.T) {
	in := everyType(140)
	for name, column := range map[string][]string{
		"apart by 2": {"1e16", "10000000000000002"},
		"fractions":  {"1e15", "1000000000000000.5", "1000000000000001", "1000000000000001.25"},
		"extremes":   {"1.7976931348623157e308", "-1.7976931348623157e308"},
		"least":      {"0", "5e-324"},
		"largest":    {"1.7976931348623157e308", "1.7976931348623157e308", "1.7976931348623155e308"},
	} {
		in.addPadded(name, arrow.PrimitiveTypes.Float64, column)
	}
	in.addPadded("nanoseconds", arrow.PrimitiveTypes.Int64, []string{"1700000000000000000", "1700000000000000001", "1700000000000000002"})
	in.addPadded("unsigned", arrow.PrimitiveTypes.Uint64, []string{"18446744073709551613", "18446744073709551615", "0"})
	inputs := in.files(t, []int{20, 17}, []int{0, 1}, []int{0, 82, 20})

	want := processes[0].output(t, "zscore", ".csv", inputs)
	for _, s := range slices.Concat(cuts, processes) {
		requireSameLines(t, want, s.output(t, "zscore", ".csv", inputs), s)
	}
	names, values, null := readCSV(t, want)
	require.Equal(t, in.names, names)
	numbers := 0
	for c, name := range names {
		exactly := in.exactScores(c)
		_, isNull := in.floats(c)
		require.Len(t, values[c], len(isNull))
		for i, got := range values[c] {
			switch {
			case isNull[i] || name == "single":
				require.True(t, null[c][i], "%s row %d", name, i)
				continue
			case exactly == nil:
				require.True(t, math.IsNaN(got), "%s row %d: %v", name, i, got)
			default:
				requireSame(t, exactly[i], got, name, i)
				numbers++
			}
			require.False(t, null[c][i], "%s row %d", name, i)
		}
	}
	require.Greater(t, numbers, 140*8, "too few numbers to test anything")
	require.Contains(t, string(cuts[1].output(t, "zscore", ".csv", twoRows(t))), "-0.7071067811865476\n0.7071067811865476\n")
}

// twoRows is a CSV file.
func twoRows(t *testing.T) []string {
	path := filepath.Join(t.TempDir(), "two.csv")
	require.NoError(t, os.WriteFile(path, []byte("x\n10000000000000000\n10000000000000002\n"), 0o600))
	return []string{path}
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
