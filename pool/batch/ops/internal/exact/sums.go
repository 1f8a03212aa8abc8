package exact

import (
	"errors"
	"fmt"
	"math"
)

var (
	// ErrCorrupt says that a value cannot be the result of adding numbers.
	// Retrying does not help: whoever made the value is broken or lying.
	ErrCorrupt = errors.New("exact: impossible state")
	// ErrTooMany says that a count would pass 2^63-1. Retrying does not help.
	ErrTooMany = errors.New("exact: too many values")
	// ErrBitmap says that a validity bitmap is shorter than its values, or its
	// offset is negative. Retrying does not help.
	ErrBitmap = errors.New("exact: validity bitmap too short")
	// ErrKind says that integers and floats, or signed and unsigned integers,
	// meet in one MinMax. Retrying does not help.
	ErrKind = errors.New("exact: mixed kinds of numbers")
)

const (
	sumLimbs    = 34   // 64-bit limbs of S
	squareLimbs = 67   // 64-bit limbs of Q
	sumUnit     = 1074 // S counts units of 2^-sumUnit
	squareUnit  = 2 * sumUnit
)

// Sums is the exact sum and sum of squares of a multiset of numbers. The zero
// value is the empty multiset. Equal multisets give equal values under ==,
// whatever the order of adding and merging; all NaN count as equal, and so do
// -0 and +0.
//
// The fields are exported so that the value can be written field by field; they
// are changed by methods only. A Sums may be read by several goroutines, or
// changed by one.
type Sums struct {
	N      int64               // values, NaN and infinities included; nulls are not
	NaN    int64               // values that are NaN
	PosInf int64               // values that are +Inf
	NegInf int64               // values that are -Inf
	S      [sumLimbs]uint64    // sum of the finite values, in units of 2^-1074
	Q      [squareLimbs]uint64 // sum of their squares, in units of 2^-2148
}

// Merge adds the multiset o to s. It commutes and associates exactly. o is not
// changed, and may be s itself.
//
// It returns ErrCorrupt if o fails Check, ErrTooMany if N would pass 2^63-1; s
// is then as before.
//
// Preconditions:
//   - s was built by this package, or passed Check.
func (s *Sums) Merge(o *Sums) error {
	if err := o.Check(); err != nil {
		return err
	}
	if err := s.makeRoom(o.N); err != nil {
		return err
	}
	s.merge(o)
	return nil
}

// merge is Merge after the checks.
func (s *Sums) merge(o *Sums) {
	s.N += o.N
	s.NaN += o.NaN
	s.PosInf += o.PosInf
	s.NegInf += o.NegInf
	addLimbs(s.S[:], o.S[:])
	addLimbs(s.Q[:], o.Q[:])
}

// makeRoom reports ErrTooMany unless count more values may be added.
func (s *Sums) makeRoom(count int64) error {
	if s.N > math.MaxInt64-count {
		return fmt.Errorf("%w: %d and %d more", ErrTooMany, s.N, count)
	}
	return nil
}

// finite returns how many values S and Q are the sums of.
func (s *Sums) finite() int64 { return s.N - s.NaN - s.PosInf - s.NegInf }
