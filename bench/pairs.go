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
	r := stat.Compare(a.SamplesNS[:n], b.SamplesNS[:n], stat.Tail)
	p := Pair{A: a.Strategy, B: b.Strategy, Bytes: a.Bytes, Rounds: r.Rounds, Ratio: digits(r.Mid), Verdict: string(r.Verdict)}
	if r.Low > 0 {
		p.Low, p.High = bounded(digits(r.Low)), bounded(digits(r.High))
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

// bounded is a bound of an interval; nil where there is none.
func bounded(x float64) *float64 {
	if math.IsInf(x, 0) || math.IsNaN(x) {
		return nil
	}
	return &x
}
