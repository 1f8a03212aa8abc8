package exact

import (
	"fmt"
	"math"
)

// Column is what describes a column of numbers: its sums, its range and its
// nulls. The zero value is the empty column. Columns with equal elements, in any
// order and added in any pieces, are equal under ==.
//
// A Column may be read by several goroutines, or changed by one.
type Column struct {
	Sums  Sums
	Nulls int64
	Range MinMax
}

// AddColumn adds to c the elements of values; valid and bitOffset tell which are
// null, as for [AddSums]. Elements of different width may share a column if they
// widen to the same [Kind]. Neither slice is kept or changed.
//
// It returns ErrBitmap if valid is not empty but too short, ErrKind if c holds
// numbers of another kind, ErrTooMany if the rows pass 2^63-1; nothing has then
// been added.
func AddColumn[T Number](c *Column, values []T, valid []byte, bitOffset int) error {
	b, err := newBlocks(values, valid, bitOffset)
	if err != nil {
		return err
	}
	if err := c.accepts(kindOf[T](), int64(len(values))); err != nil {
		return err
	}
	c.Nulls += int64(len(values)) - addBlocks(&c.Sums, b)
	addRange(&c.Range, b)
	return nil
}

// Mean is [Sums.Mean], but -0 if every value is -0.
func (c *Column) Mean() (float64, bool) {
	if _, greatest, ok := c.Range.Float64(); ok && greatest == 0 && math.Signbit(greatest) && c.Range.Min == c.Range.Max {
		return greatest, true
	}
	return c.Sums.Mean()
}

// Merge adds the elements of o to c. It commutes and associates exactly. o is
// not changed, and may be c itself.
//
// It returns ErrCorrupt if o fails Check, ErrKind if both have values and their
// kinds differ, ErrTooMany if the rows would pass 2^63-1; c is then as before.
//
// Preconditions:
//   - c was built by this package, or passed Check.
func (c *Column) Merge(o *Column) error {
	if err := o.Check(); err != nil {
		return err
	}
	if err := c.accepts(o.Range.Kind, o.Sums.N+o.Nulls); err != nil {
		return err
	}
	c.Sums.merge(&o.Sums)
	c.Nulls += o.Nulls
	c.Range.merge(o.Range)
	return nil
}

// accepts reports an error unless so many rows of kind k may be added.
func (c *Column) accepts(k Kind, rows int64) error {
	if err := c.Range.accepts(k); err != nil {
		return err
	}
	if c.Sums.N > math.MaxInt64-c.Nulls-rows {
		return fmt.Errorf("%w: %d and %d nulls, and %d more", ErrTooMany, c.Sums.N, c.Nulls, rows)
	}
	return nil
}
