package stat

import (
	"context"
	"fmt"
	"math"
)

// A Side takes one sample of one way to do something. It is a positive number in
// any unit; less is better.
type Side func(ctx context.Context) (float64, error)

// Pairs are samples of two ways: A[i] and B[i] were taken one right after the other.
type Pairs struct{ A, B []float64 }

// Alternate takes n pairs, after one that is not counted. The end of ctx ends it
// between two samples; its cause is then the error.
func Alternate(ctx context.Context, n int, a, b Side) (Pairs, error) {
	var p Pairs
	for range n + 1 {
		if err := p.Take(ctx, a, b); err != nil {
			return Pairs{}, err
		}
	}
	return Pairs{p.A[1:], p.B[1:]}, nil
}

// Take adds a pair. Every other one begins with b, so that a drift of the machine
// favours neither. With an error of a side, of a sample that is not positive, or of
// ctx there is no new pair.
func (p *Pairs) Take(ctx context.Context, a, b Side) error {
	var x [2]float64
	for i := range x {
		which := (i + len(p.A)) % 2
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		v, err := [2]Side{a, b}[which](ctx)
		if err != nil {
			return err
		}
		if !(v > 0) || math.IsInf(v, 0) {
			return fmt.Errorf("a sample of %v, expected a positive number", v)
		}
		x[which] = v
	}
	p.A, p.B = append(p.A, x[0]), append(p.B, x[1])
	return nil
}

// Ratios are those of A to B, pair by pair.
func (p Pairs) Ratios() []float64 {
	r := make([]float64, len(p.A))
	for i := range r {
		r[i] = p.A[i] / p.B[i]
	}
	return r
}

// Ratio is the ratio of A to B, between bounds of which each is on the wrong side with a
// probability of at most alpha: see [Compare].
func (p Pairs) Ratio(alpha float64) (low, mid, high float64) {
	r := Compare(p.A, p.B, alpha)
	return r.Low, r.Mid, r.High
}
