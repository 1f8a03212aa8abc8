package stat

import (
	"fmt"
	"math"
)

// A Verdict says which of two ways is separated as the faster one.
type Verdict string

// The verdicts of a comparison.
const (
	AFaster      Verdict = "a faster"
	BFaster      Verdict = "b faster"
	NotSeparated Verdict = "not separated"
)

// A Ratio compares the time of A with that of B, round by round: 2 is twice the time. The
// bounds are 0 and +Inf where there were too few rounds.
type Ratio struct {
	Interval
	Verdict  Verdict
	Rounds   int // that were compared
	Unusable int // rounds in which a time was not a positive, finite number
}

// Compare is the median of the ratios of a[i] to b[i], times of one round each. The
// median is taken of their logarithms, so that exchanging A and B gives the reciprocal.
// A is faster if the whole interval is below 1. Alpha is that of [MedianInterval]. It
// panics if the lengths differ.
func Compare(a, b []float64, alpha float64) Ratio {
	logs, unusable := LogRatios(a, b)
	r := Ratio{Interval: MedianInterval(logs, alpha), Verdict: NotSeparated, Rounds: len(logs), Unusable: unusable}
	switch {
	case r.High < 0:
		r.Verdict = AFaster
	case r.Low > 0:
		r.Verdict = BFaster
	}
	r.Low, r.Mid, r.High = math.Exp(r.Low), math.Exp(r.Mid), math.Exp(r.High)
	return r
}

// LogRatios are the natural logarithms of a[i] over b[i]. Rounds in which one of them is
// not a positive, finite number are left out and counted.
func LogRatios(a, b []float64) (logs []float64, unusable int) {
	if len(a) != len(b) {
		panic(fmt.Sprintf("stat: %d samples of A and %d of B, expected one of each in a round", len(a), len(b)))
	}
	for i := range a {
		log := math.Log(a[i]) - math.Log(b[i])
		if a[i] > 0 && b[i] > 0 && !math.IsNaN(log) && !math.IsInf(log, 0) {
			logs = append(logs, log)
		} else {
			unusable++
		}
	}
	return logs, unusable
}
