package exact

import (
	"fmt"
	"math"
	"math/big"
)

// Check returns an error that wraps ErrCorrupt if no multiset of numbers has
// these sums: a negative count, more special values than values, a Q beyond N
// squares of the largest float64, or an S too large for Q (S² ≤ n·Q always
// holds). A value that passes may be merged and read like one built here; that
// it is the sum of the right numbers cannot be seen from it.
//
// It takes a few microseconds.
func (s *Sums) Check() error {
	switch {
	case s.N < 0 || s.NaN < 0 || s.PosInf < 0 || s.NegInf < 0:
		return fmt.Errorf("%w: negative count: n %d, nan %d, +inf %d, -inf %d",
			ErrCorrupt, s.N, s.NaN, s.PosInf, s.NegInf)
	case s.NaN > s.N || s.PosInf > s.N-s.NaN || s.NegInf > s.N-s.NaN-s.PosInf:
		return fmt.Errorf("%w: nan %d, +inf %d, -inf %d of %d values",
			ErrCorrupt, s.NaN, s.PosInf, s.NegInf, s.N)
	}
	n := big.NewInt(s.finite())
	sum, squares := bigSigned(s.S[:]), bigUnsigned(s.Q[:])

	// The largest float64 is (2^53-1)·2^971.
	most := big.NewInt(1<<53 - 1)
	most.Lsh(most, 971+sumUnit)
	most.Mul(most, most).Mul(most, n)
	if squares.Cmp(most) > 0 {
		return fmt.Errorf("%w: sum of squares too large for %v finite values", ErrCorrupt, n)
	}
	if sum.Mul(sum, sum).Cmp(squares.Mul(squares, n)) > 0 {
		return fmt.Errorf("%w: sum too large for its sum of squares", ErrCorrupt)
	}
	return nil
}

// Check returns an error that wraps ErrCorrupt if no numbers have this range:
// an unknown kind, Min above Max, a NaN in one of them only or not in the form
// that math.NaN has, or a word that is not zero where there is no value.
func (m *MinMax) Check() error {
	var ordered bool
	switch m.Kind {
	case KindNone:
		ordered = m.Min == 0 && m.Max == 0
	case KindInt64:
		ordered = int64(m.Min) <= int64(m.Max)
	case KindUint64:
		ordered = m.Min <= m.Max
	case KindFloat64:
		lo, hi := math.Float64frombits(m.Min), math.Float64frombits(m.Max)
		if math.IsNaN(lo) || math.IsNaN(hi) {
			ordered = m.Min == nanBits && m.Max == nanBits
		} else {
			// min tells -0 from +0, which <= does not.
			ordered = math.Float64bits(min(lo, hi)) == m.Min
		}
	}
	if !ordered {
		return fmt.Errorf("%w: min %#x, max %#x of kind %d", ErrCorrupt, m.Min, m.Max, m.Kind)
	}
	return nil
}

// Check returns an error that wraps ErrCorrupt if the parts of c are impossible
// or contradict each other: a range without values or the reverse, integers
// that are NaN or infinite, a float range that does not show the NaN and
// infinities that were counted, or rows beyond 2^63-1.
func (c *Column) Check() error {
	if err := c.Sums.Check(); err != nil {
		return err
	}
	if err := c.Range.Check(); err != nil {
		return err
	}
	s := &c.Sums
	if c.Nulls < 0 || c.Nulls > math.MaxInt64-s.N {
		return fmt.Errorf("%w: %d values and %d nulls", ErrCorrupt, s.N, c.Nulls)
	}
	agree := true
	switch c.Range.Kind {
	case KindNone:
		agree = s.N == 0
	case KindInt64, KindUint64:
		agree = s.N > 0 && s.finite() == s.N
	case KindFloat64:
		lo, hi, _ := c.Range.Float64()
		agree = s.N > 0 && math.IsNaN(lo) == (s.NaN > 0)
		if s.NaN == 0 {
			agree = agree && math.IsInf(lo, -1) == (s.NegInf > 0) && math.IsInf(hi, 1) == (s.PosInf > 0)
		}
	}
	if !agree {
		return fmt.Errorf("%w: kind %d, min %#x, max %#x for %d values, nan %d, +inf %d, -inf %d",
			ErrCorrupt, c.Range.Kind, c.Range.Min, c.Range.Max, s.N, s.NaN, s.PosInf, s.NegInf)
	}
	return nil
}
