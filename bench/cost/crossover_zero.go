package cost

import (
	"math"

	"example.com/handoff/bench/stat"
)

const resamples = 200

// A step is the logarithm of a ratio at a size.
type step struct{ logBytes, logRatio, weight float64 }

// estimate is where the ratio is about one inside a bracket: by the models if nothing was measured
// inside and the ends are far apart or not of this search, otherwise by what was measured.
func (s *search) estimate(b bracket) float64 {
	steps := s.steps(b)
	if len(steps) == 2 && (!s.own(b) || b.width() > math.Pow(s.o.Goal, wideMargins)) {
		for _, x := range crossings(s.a, s.b, b.low.size, b.high.size) {
			if b.low.size < x && x < b.high.size {
				return float64(x)
			}
		}
	}
	return zero(steps)
}

// inside are the sizes of a bracket, its ends among them. Where the search has measured both
// ends, those that it has not measured don't count.
func (s *search) inside(b bracket) (sizes []int64) {
	for _, size := range s.sizes() {
		if b.low.size <= size && size <= b.high.size && (s.fresh[size] > 0 || !s.own(b)) {
			sizes = append(sizes, size)
		}
	}
	return sizes
}

// own reports whether the search has measured both ends of a bracket.
func (s *search) own(b bracket) bool { return s.fresh[b.low.size] > 0 && s.fresh[b.high.size] > 0 }

// steps are the medians of all sizes inside a bracket, so turned that they rise.
func (s *search) steps(b bracket) (steps []step) {
	for _, size := range s.inside(b) {
		logs, _ := stat.LogRatios(s.at[size].A, s.at[size].B)
		steps = append(steps, step{math.Log(float64(max(1, size))), b.sign() * stat.Median(logs), float64(len(logs))})
	}
	return steps
}

// sign is -1 where B is the faster at the lower end.
func (b bracket) sign() float64 {
	if b.low.verdict == stat.BFaster {
		return -1
	}
	return 1
}

// resampled is the median of where the ratio is one if whole rounds are drawn again at each
// size of a bracket.
func (s *search) resampled(b bracket) float64 {
	steps := s.steps(b)
	medians := make([][]float64, 0, len(steps))
	for _, size := range s.inside(b) {
		logs, _ := stat.LogRatios(s.at[size].A, s.at[size].B)
		values := make([]float64, len(logs))
		medians = append(medians, stat.Resample(len(logs), resamples, stat.Seed(logs), func(drawn []int) float64 {
			for i, round := range drawn {
				values[i] = logs[round]
			}
			return b.sign() * stat.Median(values)
		}))
	}
	zeros := make([]float64, resamples)
	for i := range zeros {
		for j := range steps {
			steps[j].logRatio = medians[j][i]
		}
		zeros[i] = zero(steps)
	}
	return stat.Median(zeros)
}

// zero is the size at which rising steps cross zero: they are made monotone by pooling neighbours that
// fall (Ayer and others, "An empirical distribution function for sampling with
// incomplete information", 1955), then interpolated. It is one of the ends if they do
// not cross.
func zero(steps []step) float64 {
	var pools []step
	for _, s := range steps {
		pools = append(pools, s)
		for n := len(pools); n > 1 && pools[n-2].logRatio >= pools[n-1].logRatio; n = len(pools) {
			p, q := pools[n-2], pools[n-1]
			w := p.weight + q.weight
			pools = append(pools[:n-2], step{
				(p.logBytes*p.weight + q.logBytes*q.weight) / w, (p.logRatio*p.weight + q.logRatio*q.weight) / w, w,
			})
		}
	}
	if pools[0].logRatio >= 0 {
		return math.Exp(pools[0].logBytes)
	}
	for i := 1; i < len(pools); i++ {
		if p, q := pools[i-1], pools[i]; q.logRatio >= 0 {
			return math.Exp(p.logBytes - p.logRatio*(q.logBytes-p.logBytes)/(q.logRatio-p.logRatio))
		}
	}
	return math.Exp(pools[len(pools)-1].logBytes)
}
