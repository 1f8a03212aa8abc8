package stat

import (
	"math"
	"slices"
)

// SignedRank estimates the centre of a symmetric distribution from a sample of it: the
// median of the means of all pairs (Hodges and Lehmann), between bounds of which each is
// on the wrong side with a probability of at most alpha, whatever the distribution. They
// are infinite where the sample is too small for that.
func SignedRank(sample []float64, alpha float64) (low, mid, high float64) {
	var means []float64
	for i, a := range sample {
		for _, b := range sample[i:] {
			means = append(means, a/2+b/2)
		}
	}
	if len(means) == 0 {
		return math.Inf(-1), 0, math.Inf(1)
	}
	slices.Sort(means)
	n := len(means)
	mid = means[(n-1)/2]/2 + means[n/2]/2
	cut := signedRankCut(len(sample), alpha)
	if cut < 0 {
		return math.Inf(-1), mid, math.Inf(1)
	}
	return means[cut], mid, means[n-1-cut]
}

// signedRankCut is the greatest value that Wilcoxon's statistic of n pairs has, or has
// less, with a probability of at most alpha if nothing differs; -1 if there is none.
func signedRankCut(n int, alpha float64) int {
	// The statistic is the sum of a random subset of 1…n.
	p := make([]float64, n*(n+1)/2+1)
	p[0] = 1
	for rank, top := 1, 0; rank <= n; rank++ {
		top += rank
		for sum := top; sum >= 0; sum-- {
			p[sum] /= 2
			if sum >= rank {
				p[sum] += p[sum-rank] / 2
			}
		}
	}
	cut, total := -1, 0.0
	for sum := range p {
		if total += p[sum]; total > alpha {
			break
		}
		cut = sum
	}
	return cut
}
