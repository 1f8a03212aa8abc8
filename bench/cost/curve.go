package cost

import (
	"fmt"
	"math"
)

// A Curve is a price by size: what was measured at some sizes, ascending. Between two of them it
// is a straight line, below the first it is that of the first, and beyond the last it goes on as
// between the last two, or as it is if there is only one. A larger size is never
// cheaper than a smaller one: where the measurements say so that is noise, and the higher
// price holds for both. nil is not measured.
type Curve []At

// At is what so many bytes cost.
type At struct {
	Bytes int64   `json:"bytes"`
	NS    float64 `json:"ns"`
}

// Flat is a price that doesn't depend on the size.
func Flat(ns float64) Curve { return Curve{{0, ns}} }

// Check says why nothing can be priced by it.
func (c Curve) Check() error {
	if len(c) == 0 {
		return fmt.Errorf("not measured")
	}
	for i, p := range c {
		switch {
		case p.Bytes < 0 || i > 0 && p.Bytes <= c[i-1].Bytes:
			return fmt.Errorf("measured at %d bytes, expected ascending sizes", p.Bytes)
		case !(p.NS > 0) || p.NS >= math.MaxInt64:
			return fmt.Errorf("%g ns for %d bytes, expected a positive time", p.NS, p.Bytes)
		}
	}
	return nil
}

// NS is the price of so many bytes in nanoseconds, positive and less than 2⁶³; false if nothing
// that is in order was measured.
func (c Curve) NS(bytes int64) (float64, bool) {
	if bytes < 0 || c.Check() != nil {
		return 0, false
	}
	low := c[0]
	high := low
	for _, p := range c[1:] {
		if bytes <= high.Bytes {
			break
		}
		low, high = high, At{p.Bytes, max(p.NS, high.NS)}
	}
	ns := high.NS
	if low != high && bytes > low.Bytes {
		perByte := (high.NS - low.NS) / float64(high.Bytes-low.Bytes)
		ns = low.NS + perByte*float64(bytes-low.Bytes)
	}
	return ns, ns < math.MaxInt64
}
