package exact

import (
	"errors"
	"math"
	"testing"
)

func TestCheckRefuses(t *testing.T) {
	var floats, ints, special Column
	mustAdd(t, &floats, []float64{-1, 2.5, 3})
	mustAdd(t, &ints, []int8{-1, 2, 3})
	mustAdd(t, &special, []float64{math.NaN(), math.Inf(1), 3})
	word := math.Float64bits
	for _, c := range []struct {
		name  string
		of    Column
		spoil func(*Column)
	}{
		{"negative count", floats, func(c *Column) { c.Sums.N = -1 }},
		{"negative NaN count", floats, func(c *Column) { c.Sums.NaN = -1 }},
		{"negative nulls", floats, func(c *Column) { c.Nulls = -1 }},
		{"least nulls", floats, func(c *Column) { c.Nulls = math.MinInt64 }},
		{"too many rows", floats, func(c *Column) { c.Nulls = math.MaxInt64 }},
		{"more NaN than values", floats, func(c *Column) { c.Sums.NaN = 4 }},
		{"special counts wrap", floats, func(c *Column) { c.Sums.NaN, c.Sums.PosInf = math.MaxInt64, math.MaxInt64 }},
		{"sum without values", Column{}, func(c *Column) { c.Sums.S[0] = 1 }},
		{"squares without values", Column{}, func(c *Column) { c.Sums.Q[0] = 1 }},
		{"sum too large", floats, func(c *Column) { c.Sums.S[sumLimbs-1] = 1 }},
		{"sum very negative", floats, func(c *Column) { c.Sums.S[sumLimbs-1] = 1 << 63 }},
		{"sum without squares", floats, func(c *Column) { c.Sums.Q = [squareLimbs]uint64{} }},
		{"squares too large", floats, func(c *Column) { c.Sums.Q[squareLimbs-1] = 1 }},
		{"squares negative", floats, func(c *Column) { c.Sums.Q[squareLimbs-1] = 1 << 63 }},
		{"unknown kind", floats, func(c *Column) { c.Range.Kind = 4 }},
		{"no kind but values", floats, func(c *Column) { c.Range = MinMax{} }},
		{"kind but no values", floats, func(c *Column) { c.Sums = Sums{} }},
		{"word without kind", Column{}, func(c *Column) { c.Range.Max = 1 }},
		{"min above max", floats, func(c *Column) { c.Range.Min = word(4) }},
		{"signed min above max", ints, func(c *Column) { c.Range.Max = uint64(math.MaxUint64 - 8) }},
		{"unsigned min above max", ints, func(c *Column) { c.Range.Kind = KindUint64 }},
		{"+0 below -0", floats, func(c *Column) { c.Range.Min, c.Range.Max = 0, 1<<63 }},
		{"one NaN", floats, func(c *Column) { c.Range.Max = nanBits }},
		{"uncounted NaN", floats, func(c *Column) { c.Range.Min, c.Range.Max = nanBits, nanBits }},
		{"counted NaN", floats, func(c *Column) { c.Sums.NaN = 1 }},
		{"NaN payload", special, func(c *Column) { c.Range.Min++; c.Range.Max++ }},
		{"uncounted +Inf", floats, func(c *Column) { c.Range.Max = word(math.Inf(1)) }},
		{"counted -Inf", floats, func(c *Column) { c.Sums.NegInf = 1 }},
		{"integer NaN", ints, func(c *Column) { c.Sums.NaN = 1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := c.of
			if err := bad.Check(); err != nil {
				t.Fatalf("before: %v", err)
			}
			c.spoil(&bad)
			if err := bad.Check(); !errors.Is(err, ErrCorrupt) {
				t.Errorf("Check: %v, want ErrCorrupt", err)
			}
			into := c.of
			if err := into.Merge(&bad); !errors.Is(err, ErrCorrupt) {
				t.Errorf("Merge: %v, want ErrCorrupt", err)
			}
			if into != c.of {
				t.Error("a refused Merge changed the column")
			}
			read(&bad) // must not panic
		})
	}
}

// The states nearest to the bounds are accepted.
func TestCheckAccepts(t *testing.T) {
	for _, values := range [][]float64{
		nil, {0}, {math.MaxFloat64}, {-math.MaxFloat64}, {math.SmallestNonzeroFloat64},
		{math.Inf(1)}, {math.Inf(-1)}, {math.NaN()}, {math.NaN(), math.Inf(1), math.Inf(-1)},
		{math.MaxFloat64, math.MaxFloat64, math.NaN()}, {math.Copysign(0, -1), 0},
	} {
		var c Column
		mustAdd(t, &c, values)
		if err := c.Check(); err != nil {
			t.Errorf("%v: %v", values, err)
		}
	}
}

// read calls all that reads a column.
func read(c *Column) {
	c.Sums.Mean()
	c.Sums.Std()
	c.Range.Int64()
	c.Range.Uint64()
	c.Range.Float64()
}
