package stat

import (
	"math"
	"slices"
)

// Tail is the probability that is left on each side of an interval of 95 %.
const Tail = 0.025

// An Interval is an estimate of a median and bounds for it. The bounds are -Inf and +Inf
// where there were too few values for what was asked.
type Interval struct {
	Low, Mid, High float64
	Coverage       float64 // the probability that the median is within the bounds, at least
}

// Bounded reports whether there were enough values for bounds.
func (i Interval) Bounded() bool { return !math.IsInf(i.Low, -1) && !math.IsInf(i.High, 1) }

// MedianInterval estimates the median of the distribution that independent values are from.
// Each bound is on the wrong side with a probability of at most alpha, whatever the
// distribution: the bounds are order statistics, by the inversion of the sign test
// (Conover, "Practical Nonparametric Statistics", 1999, section 3.4). With n values
// the probability that the median is below the (k+1)th least of them is
//
//	P(X ≤ k) = 2⁻ⁿ Σ C(n, i), i = 0 … k
//
// and k is the greatest for which this is at most alpha. Equal values make the
// interval cover more than it says. It is computed exactly for every n, where
// golang.org/x/perf/benchmath approximates from 31 values on.
//
// No values, or one that is not a number, have no median: Mid is NaN.
func MedianInterval(values []float64, alpha float64) Interval {
	unbounded := Interval{Low: math.Inf(-1), Mid: Median(values), High: math.Inf(1), Coverage: 1}
	if slices.ContainsFunc(values, math.IsNaN) {
		unbounded.Mid = math.NaN()
	}
	cut, tail := signCut(len(values), alpha)
	if cut < 0 || math.IsNaN(unbounded.Mid) {
		return unbounded
	}
	sorted := slices.Sorted(slices.Values(values))
	return Interval{Low: sorted[cut], Mid: unbounded.Mid, High: sorted[len(sorted)-1-cut], Coverage: 1 - 2*tail}
}

// LeastPairs is from how many values on [MedianInterval] can have bounds with this
// alpha: all of them on one side have a probability of 2⁻ⁿ if nothing differs.
func LeastPairs(alpha float64) int { return int(math.Ceil(-math.Log2(alpha))) }

// signCut is the greatest k for which P(X ≤ k) is at most alpha, and that probability, X
// being how many of n fair coins show heads; -1 if there is none.
func signCut(n int, alpha float64) (cut int, tail float64) {
	const rounding = 1e-9 // of the sum, relative
	cut = -1
	logP, total := -float64(n)*math.Ln2, 0.0
	for k := range n / 2 {
		total += math.Exp(logP)
		if total > alpha*(1+rounding) {
			break
		}
		cut, tail = k, total
		logP += math.Log(float64(n-k) / float64(k+1))
	}
	return cut, tail
}
