package stat

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestResample(t *testing.T) {
	values := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	mean := func(drawn []int) float64 {
		sum := 0.0
		for _, i := range drawn {
			sum += values[i]
		}
		return sum / float64(len(drawn))
	}
	means := Resample(len(values), 2000, Seed(values), mean)
	require.Equal(t, means, Resample(len(values), 2000, Seed(values), mean), "the same seed")
	require.NotEqual(t, means, Resample(len(values), 2000, Seed(values)+1, mean))
	// The mean of 10 out of 1…10 has the standard deviation √(8.25 / 10).
	sum, squares := 0.0, 0.0
	for _, m := range means {
		sum += m
		squares += m * m
	}
	center := sum / float64(len(means))
	require.InDelta(t, 5.5, center, 0.1)
	require.InDelta(t, math.Sqrt(0.825), math.Sqrt(squares/float64(len(means))-center*center), 0.05)
}

func TestSeed(t *testing.T) {
	require.Equal(t, Seed([]float64{1, 2}), Seed([]float64{1}, []float64{2}))
	require.NotEqual(t, Seed([]float64{1, 2}), Seed([]float64{2, 1}))
	require.NotEqual(t, Seed([]float64{0}), Seed([]float64{math.Copysign(0, -1)}))
}
