package main

import (
	"fmt"
	"math"
	"time"
)

// A rate estimates how fast a count grows, as an exponentially weighted mean.
type rate struct {
	at          time.Time
	n           int64
	sum, weight float64
}

// timeConstant is that of the mean: after it, a measured speed has the weight 1/e.
const timeConstant = 5 * time.Second

// add takes in a count. One that is smaller than the last has begun again.
func (r *rate) add(now time.Time, n int64) {
	if r.at.IsZero() || n < r.n {
		r.at, r.n = now, n
		return
	}
	passed := now.Sub(r.at)
	if passed < 100*time.Millisecond { // a burst says little
		return
	}
	keep := math.Exp(-passed.Seconds() / timeConstant.Seconds())
	r.sum = keep*r.sum + (1-keep)*float64(n-r.n)/passed.Seconds()
	r.weight = keep*r.weight + 1 - keep
	r.at, r.n = now, n
}

// perSecond is 0 as long as nothing is known.
func (r *rate) perSecond() float64 {
	if r.weight == 0 {
		return 0
	}
	return r.sum / r.weight
}

// short is a number for people, in three digits: 950, 12.3k, 41M.
func short(n float64) string {
	for _, unit := range []string{"", "k", "M", "G"} {
		if n < 999.5 {
			if unit == "" {
				return fmt.Sprintf("%.0f", n)
			}
			return fmt.Sprintf("%.3g%s", n, unit)
		}
		n /= 1000
	}
	return fmt.Sprintf("%.0fT", n)
}

// remaining is a time for people, rounded up.
func remaining(seconds float64) string {
	switch {
	case seconds <= 99:
		return fmt.Sprintf("%.0f s", math.Ceil(seconds))
	case seconds <= 99*60:
		return fmt.Sprintf("%.0f min", math.Ceil(seconds/60))
	}
	return fmt.Sprintf("%.0f h", math.Ceil(seconds/3600))
}
