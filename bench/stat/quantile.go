package stat

import (
	"math"
	"slices"
	"time"
)

// Quantile interpolates linearly between the order statistics (Hyndman and Fan,
// "Sample quantiles in statistical packages", 1996, type 7): q 0 is the least value,
// 0.5 the median, 1 the greatest. NaN for no values.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	i := min(int(at), max(0, len(sorted)-2))
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[j]-sorted[i])
}

// Median is the middle value, or the mean of the two middle ones. NaN for none.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// Repeat calls f n times, at least once, and returns the median of what it returns,
// in nanoseconds. The first error ends it.
func Repeat(n int, f func() (time.Duration, error)) (float64, error) {
	values := make([]float64, max(1, n))
	for i := range values {
		d, err := f()
		if err != nil {
			return 0, err
		}
		values[i] = float64(d)
	}
	return Median(values), nil
}
