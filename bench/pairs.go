package bench

import (
	"math"
	"slices"

	"example.com/handoff/bench/stat"
)

// comparedWith are the strategies with which every other one is compared.
var comparedWith = []string{gobReused, inProcess}

// pairs compares the results of one size: what each round found of both.
func pairs(results []Result) (found []Pair) {
	for _, a := range results {
		for _, b := range results {
			crosses := slices.Contains(crossoverPairs, [2]string{a.Strategy, b.Strategy})
			base := slices.Contains(comparedWith, a.Strategy) && a.Strategy != b.Strategy
			if base || crosses {
				found = append(found, newPair(a, b))
			}
		}
	}
	return found
}

func newPair(a, b Result) Pair {
	n := min(len(a.SamplesNS), len(b.SamplesNS))
	ratios := stat.Pairs{A: a.SamplesNS[:n], B: b.SamplesNS[:n]}.Ratios()
	p := Pair{A: a.Strategy, B: b.Strategy, Bytes: a.Bytes, Rounds: n, Ratio: digits(stat.Median(ratios)), Verdict: NotSeparated}
	p.Low, p.High = interval(ratios)
	switch {
	case p.High != nil && *p.High < 1:
		p.Verdict = AFaster
	case p.Low != nil && *p.Low > 1:
		p.Verdict = BFaster
	}
	return p
}

// pair is the comparison of two strategies at a size, as a's time over b's.
func (r *Report) pair(a, b string, bytes int64) (p Pair, ok bool) {
	for _, p := range r.Pairs {
		if p.A == a && p.B == b && p.Bytes == bytes {
			return p, true
		}
	}
	return p, false
}

// interval is that of an exact sign test for the median; nil where there are too few
// values for one.
func interval(values []float64) (low, high *float64) {
	n, cut, p, total := len(values), -1, math.Pow(0.5, float64(len(values))), 0.0
	for k := range n / 2 {
		if total += p; total > (1-confidence)/2 {
			break
		}
		cut, p = k, p*float64(n-k)/float64(k+1)
	}
	if cut < 0 {
		return nil, nil
	}
	sorted := slices.Sorted(slices.Values(values))
	l, h := digits(sorted[cut]), digits(sorted[n-1-cut])
	return &l, &h
}
