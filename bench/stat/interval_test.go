package stat

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// The order statistics of the tables that textbooks print (Conover 1999, table A3), one less for counting from 0.
func TestSignCut(t *testing.T) {
	for _, tt := range []struct {
		n     int
		alpha float64
		cut   int
		tail  float64
	}{
		{0, 0.025, -1, 0},
		{5, 0.025, -1, 0},
		{6, 1.0 / 64, 0, 1.0 / 64},
		{6, 0.025, 0, 0.015625},
		{8, 0.025, 0, 0.00390625},
		{9, 0.025, 1, 0.01953125},
		{12, 0.025, 2, 0.019287109375},
		{15, 0.025, 3, 0.017578125},
		{20, 0.025, 5, 0.020694732666015625},
		{20, 0.005, 3, 0.001288414001464844},
		{50, 0.025, 17, 0.01641957},
		{100, 0.025, 39, 0.0176001},
	} {
		cut, tail := signCut(tt.n, tt.alpha)
		require.Equal(t, tt.cut, cut, "n = %d, alpha = %v", tt.n, tt.alpha)
		require.InDelta(t, tt.tail, tail, 1e-7, "n = %d, alpha = %v", tt.n, tt.alpha)
	}
	// As the normal distribution has it, where 2⁻ⁿ is too small for a float64.
	cut, tail := signCut(10000, 0.025)
	require.InDelta(t, 5000-1.96*50, cut, 2)
	require.True(t, 0.023 < tail && tail <= 0.025)
}

func TestLeastPairs(t *testing.T) {
	for _, alpha := range []float64{0.5, 0.05, 0.025, 1.0 / 1024, 1e-6} {
		n := LeastPairs(alpha)
		require.True(t, MedianInterval(make([]float64, n), alpha).Bounded() || n < 2, "alpha = %v", alpha)
		require.False(t, MedianInterval(make([]float64, n-1), alpha).Bounded(), "alpha = %v", alpha)
	}
}

func TestMedianInterval(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for name, tt := range map[string]struct {
		values []float64
		want   Interval
	}{
		"too few":         {[]float64{5, 1, 4, 2, 3}, Interval{-inf, 3, inf, 1}},
		"six":             {[]float64{6, 1, 5, 2, 4, 3}, Interval{1, 3.5, 6, 1 - 1.0/32}},
		"an outlier":      {[]float64{6e9, 1, 5, 2, 4, 3, 3, 3, 3}, Interval{2, 3, 5, 1 - 2*0.01953125}},
		"all the same":    {[]float64{7, 7, 7, 7, 7, 7}, Interval{7, 7, 7, 1 - 1.0/32}},
		"infinite values": {[]float64{inf, 1, -inf, 2, 4, 3, 3, 3, 3}, Interval{1, 3, 4, 1 - 2*0.01953125}},
	} {
		require.Equal(t, tt.want, MedianInterval(tt.values, Tail), name)
	}
	for _, none := range [][]float64{nil, {1, 2, 3, 4, 5, nan, 7, 8}} {
		i := MedianInterval(none, Tail)
		require.True(t, math.IsNaN(i.Mid))
		require.False(t, i.Bounded())
	}
	values := []float64{3, 1, 2, 6, 5, 4}
	MedianInterval(values, Tail)
	require.Equal(t, []float64{3, 1, 2, 6, 5, 4}, values, "the caller's values were sorted")
}

// noises are distributions whose logarithm has the median 0; those of rounds may go on from one to the next.
var noises = map[string]func(r *rand.Rand) func() float64{
	"normal": func(r *rand.Rand) func() float64 { return r.NormFloat64 },
	"heavy tails": func(r *rand.Rand) func() float64 {
		return func() float64 { return max(-1e3, min(1e3, r.NormFloat64()/r.NormFloat64())) }
	}, // Cauchy's
	"one-sided": func(r *rand.Rand) func() float64 {
		return func() float64 { return r.ExpFloat64() - math.Ln2 }
	},
	"bimodal": func(r *rand.Rand) func() float64 {
		return func() float64 { return r.NormFloat64()*0.1 + float64(2*r.IntN(2)-1) }
	},
}

// The interval of a ratio covers the true one in 95 % of 2,000 simulated comparisons, less what chance does to 2,000, under every
// noise, and where the machine becomes five times slower meanwhile.
func TestCompareCovers(t *testing.T) {
	const cases, truth = 2000, 1
	for name, noise := range noises {
		for _, rounds := range []int{6, 20} {
			r := rand.New(rand.NewPCG(uint64(rounds), 5))
			draw := noise(r)
			covered, coverage, wrong := 0, 0.0, 0
			for range cases {
				var a, b []float64
				for i := range rounds {
					drift := math.Exp(1.6*float64(i)/float64(rounds) + r.NormFloat64()) // of the round
					b = append(b, drift)
					a = append(a, truth*drift*math.Exp(0.1*draw()))
				}
				c := Compare(a, b, Tail)
				require.Equal(t, rounds, c.Rounds)
				coverage = c.Coverage
				if c.Low <= truth && truth <= c.High {
					covered++
				}
				if c.Verdict == AFaster {
					wrong++
				}
			}
			share := float64(covered) / cases
			t.Logf("%s, %d rounds: %s covered, %s stated, of equals A is called faster %d times", name, rounds, Percent(share), Percent(coverage), wrong)
			require.GreaterOrEqual(t, share, 0.93)
			require.InDelta(t, coverage, share, 0.015, "it covers what it states")
			require.LessOrEqual(t, wrong, cases*35/1000)
		}
	}
}
