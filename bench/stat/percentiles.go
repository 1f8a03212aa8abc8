package stat

// Percentiles are those of single operations; nil where there were too few of them.
type Percentiles struct {
	P50, P90, P99 *float64
}

// From how many operations on a percentile is stated: ten of them are then above it.
const (
	leastP90 = 100
	leastP99 = 1000
)

// PercentilesOf are those of the times of single operations, not of means of several: a
// mean hides the slow ones.
func PercentilesOf[T int64 | float64](singles []T) (p Percentiles) {
	values := make([]float64, len(singles))
	for i, x := range singles {
		values[i] = float64(x)
	}
	at := func(q float64, least int) *float64 {
		if len(values) < least {
			return nil
		}
		x := Quantile(values, q)
		return &x
	}
	return Percentiles{at(0.5, 1), at(0.9, leastP90), at(0.99, leastP99)}
}
