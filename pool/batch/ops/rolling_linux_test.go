package ops

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
)

// naive is what a window gives, by exact arithmetic; false for null.
func naive(x []cell, median bool) (v float64, ok bool) {
	infinite, negZero := 0.0, true
	var sorted []*big.Float
	for _, c := range x {
		switch {
		case c.null:
			return 0, false
		case c.number == nil:
			v = math.NaN()
			continue
		case c.number.IsInf():
			f, _ := c.number.Float64()
			infinite += f // NaN of two
		}
		negZero = negZero && c.number.Sign() == 0 && c.number.Signbit()
		sorted = append(sorted, c.number)
	}
	if math.IsNaN(v) {
		return v, true
	}
	if median {
		slices.SortFunc(sorted, (*big.Float).Cmp)
		sorted = []*big.Float{sorted[(len(x)-1)/2], sorted[len(x)/2]}
		negZero = false // of several zeros it may be any that is in the middle
		if infinite = 0; sorted[0].IsInf() || sorted[1].IsInf() {
			low, _ := sorted[0].Float64()
			high, _ := sorted[1].Float64()
			infinite = low + high
		}
	}
	if infinite != 0 {
		return infinite, true
	}
	sum := new(big.Float).SetPrec(3000)
	for _, v := range sorted {
		sum.Add(sum, v)
	}
	v, _ = sum.Quo(sum, big.NewFloat(float64(len(sorted)))).Float64()
	if negZero {
		v = math.Copysign(0, -1)
	}
	return v, true
}

func requireWindow(tb rapid.TB, x []cell, median bool, got float64, ok bool) {
	tb.Helper()
	want, wantOK := naive(x, median)
	same := math.Float64bits(want) == math.Float64bits(got) || want == 0 && got == 0 && median
	if ok != wantOK || ok && !same && !(math.IsNaN(want) && math.IsNaN(got)) {
		tb.Fatalf("window %v: got %v (%v), want %v (%v)", x, got, ok, want, wantOK)
	}
}

// Every row against the plain definition, and the same bytes whatever the chunks.
// The rows ahead of a chunk come from other chunks and other files.
func TestRolling(t *testing.T) {
	in := everyType(140)
	in.addPadded("nanoseconds", arrow.PrimitiveTypes.Int64, []string{"1700000000000000001", "1700000000000000003", "1700000000000000256", "1700000000000000385"})
	in.addPadded("zeros", arrow.PrimitiveTypes.Float64, strings.Fields(strings.Repeat("-0 ", 10)))
	in.addPadded("largest", arrow.PrimitiveTypes.Float64, strings.Fields(strings.Repeat("1.7976931348623157e308 ", 10)))
	inputs := in.files(t, []int{20, 17}, []int{0, 1}, []int{0, 82, 20})
	for _, stat := range []string{"mean", "median"} {
		for _, n := range []int{1, 2, 5, 6, 70, 141} {
			op := fmt.Sprintf("rolling:window=%d,stat=%s", n, stat)
			t.Run(op, func(t *testing.T) {
				want := cuts[3].output(t, op, ".csv", inputs)
				settings := cuts[:2]
				if n == 5 || n == 70 {
					settings = slices.Concat(cuts[2:3], processes, settings)
				}
				for _, s := range settings {
					requireSameLines(t, want, s.output(t, op, ".csv", inputs), s)
				}
				names, values, null := readCSV(t, want)
				require.Equal(t, in.names, names)
				numbers := 0
				for c := range names {
					x := in.exactCells(c)
					require.Len(t, values[c], len(x))
					for i := range x {
						if i+1 < n {
							require.True(t, null[c][i], "row %d", i)
							continue
						}
						requireWindow(t, x[i+1-n:i+1], stat == "median", values[c][i], !null[c][i])
						if !null[c][i] && !math.IsNaN(values[c][i]) {
							numbers++
						}
					}
				}
				require.True(t, n > 140 || numbers > 140*4/n, "only %d numbers", numbers)
			})
		}
	}
}

// In Arrow the record batches are the chunks.
func TestRollingArrow(t *testing.T) {
	in := everyType(140)
	inputs := in.files(t, []int{50}, []int{0, 1}, []int{89})
	const op = "rolling:stat=median,window=9"
	_, want, wantNull := readCSV(t, cuts[0].output(t, op, ".csv", inputs))
	var first []byte
	for _, s := range []setting{{7, 1, pool.Goroutine}, {7, 3, pool.Goroutine}, {7, 2, pool.Process}} {
		got := s.output(t, op, ".arrow", inputs)
		if first == nil {
			first = got
		}
		require.Equal(t, first, got, "%+v", s)
	}
	values, null, sizes := readArrow(t, first)
	require.Equal(t, "7 7 7 7 7 7 7 1 1 7 7 7 7 7 7 7 7 7 7 7 7 5", strings.Trim(fmt.Sprint(sizes), "[]"))
	require.Equal(t, wantNull, null)
	for c := range want {
		for i := range want[c] {
			if !null[c][i] {
				requireSame(t, want[c][i], values[c][i], in.names[c], i)
			}
		}
	}
}

// A window gives the same to the last bit whatever rows came before it, which is all
// that a chunk's beginning changes.
func TestWindowDependsOnItsRowsAlone(t *testing.T) {
	some := []float64{0, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, 5e-324, -5e-324, 1, 0.1, 1e16, -1e16}
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(rt, "window")
		median := rapid.Bool().Draw(rt, "median")
		calm := rapid.Bool().Draw(rt, "calm")
		value := rapid.Custom(func(rt *rapid.T) float64 {
			if !calm && rapid.IntRange(0, 9).Draw(rt, "kind") == 0 {
				return rapid.SampledFrom(some).Draw(rt, "special")
			}
			return rapid.Float64Range(-1e6, 1e6).Draw(rt, "value")
		})
		x := rapid.SliceOfN(value, n, 3*n+2).Draw(rt, "rows")
		null := make([]bool, len(x))
		if !calm {
			for i := range null {
				null[i] = rapid.IntRange(0, 19).Draw(rt, "null") == 0
			}
		}
		cells := make([]cell, len(x))
		for i, v := range x {
			cells[i].null = null[i]
			if !math.IsNaN(v) {
				cells[i].number = new(big.Float).SetFloat64(v)
			}
		}
		whole := newWindow[float64](n, median)
		for i := range x {
			whole.add(x[i], null[i])
			v, ok := whole.value()
			if i+1 < n {
				if ok {
					rt.Fatalf("row %d of a window of %d is %v", i, n, v)
				}
				continue
			}
			requireWindow(rt, cells[i+1-n:i+1], median, v, ok)
			cut := newWindow[float64](n, median)
			for k := i + 1 - n; k <= i; k++ {
				cut.add(x[k], null[k])
			}
			if w, also := cut.value(); ok != also || math.Float64bits(v) != math.Float64bits(w) && !(math.IsNaN(v) && math.IsNaN(w)) {
				rt.Fatalf("window of rows %d to %d: %v (%v) after other rows, %v (%v) alone", i+1-n, i, v, ok, w, also)
			}
		}
	})
}

func TestRollingParameters(t *testing.T) {
	for _, spec := range []string{"window=0", "window=-1", "window=65537", "window=x", "window=1e3", "stat=mode", "stat=Mean", "window=99999999999999999999"} {
		_, _, err := batch.Lookup("rolling:" + spec)
		require.ErrorContains(t, err, "expected", spec)
		require.ErrorContains(t, err, strings.Split(spec, "=")[0], spec)
	}
	for _, spec := range []string{"", ":window=1", ":window=65536", ":stat=median", ":stat=mean,window=3"} {
		_, _, err := batch.Lookup("rolling" + spec)
		require.NoError(t, err, spec)
	}
}
