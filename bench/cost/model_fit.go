package cost

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"example.com/handoff/bench/stat"
)

const (
	mostPieces  = 4 // three levels of cache, and memory
	leastSizes  = 3 // of a piece whose ends are looked for: two are on the line whatever they are
	leastError  = 0.02
	leastBand   = 1.02
	mostAnchors = 24 // sizes through which lines are tried
)

// Fit fits a model to the points of one strategy; those of one size are taken as their
// median. Breaks are sizes beyond which a cache is exhausted; nil: they are looked for
// among the measured sizes.
//
// A line is fitted by least absolute deviations of the logarithm of the time, so that
// sizes count alike whatever their times and that an outlier does not turn the line
// (Bloomfield and Steiger, "Least Absolute Deviations", 1983). Of all lines through
// two of the points (the elemental sets of Theil, 1950), and of those that are flat or
// go through zero, the best one is taken. Slopes are never negative, nor is the fixed
// part of the first piece.
//
// Where pieces end is found by dynamic programming over all partitions (Bai and Perron,
// "Computation and analysis of multiple structural change models", 2003). Their number is
// that with the least information criterion of Schwarz (1978) for deviations of
// Laplace's distribution:
//
//	2n ln(Σ|r| / (n-q)) + q ln n,   q = 3 × pieces - 1
//
// where a mean deviation of less than 2 % counts as 2 %: so much a machine's medians differ anyway.
//
// The band is three standard deviations of a point from the line that is fitted without it
// (the jackknife), the standard deviation being estimated by the median of the
// deviations (Hampel, "The influence curve and its role in robust estimation", 1974);
// no more than the greatest of them.
func Fit(points []Point, breaks []int64) (Model, error) {
	sizes, err := bySize(points)
	if err != nil {
		return Model{}, err
	}
	m := Model{Strategy: points[0].Strategy}
	for _, p := range sizes {
		m.Fitted = append(m.Fitted, p.Bytes)
	}
	cuts := splitAt(sizes, breaks)
	if breaks == nil {
		cuts = split(sizes)
	}
	var withoutOne []float64
	from := 0
	for _, to := range append(cuts, len(sizes)) {
		part := sizes[from:to]
		line, _ := fitLine(part, from == 0)
		m.Pieces = append(m.Pieces, Piece{part[0].Bytes, part[len(part)-1].Bytes, line.fixed, line.slope})
		for _, p := range part {
			m.deviations = append(m.deviations, line.deviation(p))
		}
		withoutOne = append(withoutOne, leaveOneOut(part, line, from == 0)...)
		from = to
	}
	m.Band = band(withoutOne)
	return m, nil
}

// FitAll fits a model to each strategy's points, in the order in which strategies first
// occur.
func FitAll(points []Point, breaks []int64) (models []Model, err error) {
	var names []string
	of := map[string][]Point{}
	for _, p := range points {
		if of[p.Strategy] == nil {
			names = append(names, p.Strategy)
		}
		of[p.Strategy] = append(of[p.Strategy], p)
	}
	for _, name := range names {
		m, err := Fit(of[name], breaks)
		if err != nil {
			return nil, err
		}
		models = append(models, m)
	}
	return models, nil
}

// bySize is one point for each size, ascending.
func bySize(points []Point) (sizes []Point, err error) {
	if len(points) == 0 {
		return nil, fmt.Errorf("cost: no sizes to fit a model to")
	}
	times := map[int64][]float64{}
	for _, p := range points {
		if p.Strategy != points[0].Strategy {
			return nil, fmt.Errorf("cost: points of %s and of %s, expected those of one strategy", points[0].Strategy, p.Strategy)
		}
		if p.Bytes < 0 || !(p.NS > 0) || math.IsInf(p.NS, 0) {
			return nil, fmt.Errorf("cost: %s took %v ns at %d bytes, expected a positive, finite time and a size", p.Strategy, p.NS, p.Bytes)
		}
		times[p.Bytes] = append(times[p.Bytes], p.NS)
	}
	for bytes, ns := range times {
		sizes = append(sizes, Point{points[0].Strategy, bytes, stat.Median(ns)})
	}
	slices.SortFunc(sizes, func(p, q Point) int { return cmp.Compare(p.Bytes, q.Bytes) })
	return sizes, nil
}

type line struct{ fixed, slope float64 }

func (l line) deviation(p Point) float64 {
	return math.Abs(math.Log(p.NS / (l.fixed + l.slope*float64(p.Bytes))))
}

// fitLine is the best line through the points and the sum of its deviations.
func fitLine(points []Point, first bool) (best line, loss float64) {
	loss = math.Inf(1)
	try := func(l line) {
		if l.slope < 0 || first && l.fixed < 0 || l.fixed+l.slope*float64(points[0].Bytes) <= 0 {
			return
		}
		const rounding = 1e-12 // of a sum: if others are as good, the line that was tried first is kept
		sum := 0.0
		for _, p := range points {
			if sum += l.deviation(p); sum >= loss-rounding {
				return
			}
		}
		best, loss = l, sum
	}
	logs := make([]float64, len(points))
	for i, p := range points {
		logs[i] = math.Log(p.NS)
	}
	try(line{math.Exp(stat.Median(logs)), 0})
	anchors := spread(points, mostAnchors)
	for i, p := range anchors {
		if p.Bytes > 0 {
			try(line{0, p.NS / float64(p.Bytes)})
		}
		for _, q := range anchors[i+1:] {
			slope := (q.NS - p.NS) / float64(q.Bytes-p.Bytes)
			try(line{p.NS - slope*float64(p.Bytes), slope})
		}
	}
	return best, loss
}

// spread are at most n of the points, evenly chosen.
func spread(points []Point, n int) []Point {
	if len(points) <= n {
		return points
	}
	chosen := make([]Point, n)
	for i := range chosen {
		chosen[i] = points[i*(len(points)-1)/(n-1)]
	}
	return chosen
}

// splitAt are the indices at which pieces begin, but the first, if caches end after the
// given sizes. A piece has two points or more.
func splitAt(points []Point, breaks []int64) (cuts []int) {
	begin := 0
	for _, b := range slices.Sorted(slices.Values(breaks)) {
		i, _ := slices.BinarySearchFunc(points, b, func(p Point, b int64) int {
			if p.Bytes <= b {
				return -1
			}
			return 1
		})
		if i-begin >= 2 && len(points)-i >= 2 {
			cuts, begin = append(cuts, i), i
		}
	}
	return cuts
}

// split finds the indices at which pieces begin, but the first.
func split(points []Point) (cuts []int) {
	n := len(points)
	losses := map[[2]int]float64{}
	loss := func(i, j int) float64 {
		x, ok := losses[[2]int{i, j}]
		if !ok {
			_, x = fitLine(points[i:j], i == 0)
			losses[[2]int{i, j}] = x
		}
		return x
	}
	// least[j] is the sum of deviations of the best partition of the first j points into so many
	// pieces, begin[pieces][j] where its last piece begins.
	least := make([]float64, n+1)
	begin := [][]int{nil, make([]int, n+1)}
	for j := range least {
		if least[j] = math.Inf(1); j > 0 {
			least[j] = loss(0, j)
		}
	}
	pieces, best := 1, criterion(n, 1, least[n])
	for k := 2; k <= mostPieces && n >= k*leastSizes; k++ {
		next, from := make([]float64, n+1), make([]int, n+1)
		for j := range next {
			next[j] = math.Inf(1)
			for i := (k - 1) * leastSizes; i+leastSizes <= j; i++ {
				if sum := least[i] + loss(i, j); sum < next[j] {
					next[j], from[j] = sum, i
				}
			}
		}
		least, begin = next, append(begin, from)
		if c := criterion(n, k, least[n]); c < best {
			pieces, best = k, c
		}
	}
	for j := n; pieces > 1; pieces-- {
		j = begin[pieces][j]
		cuts = append(cuts, j)
	}
	slices.Reverse(cuts)
	return cuts
}

// criterion is Schwarz's for n points in so many pieces; the least is the best.
func criterion(n, pieces int, deviations float64) float64 {
	q := 3*pieces - 1
	if n <= q {
		return math.Inf(1)
	}
	mean := max(leastError, deviations/float64(n-q))
	return 2*float64(n)*math.Log(mean) + float64(q)*math.Log(float64(n))
}

// leaveOneOut are the deviations of the points of a piece from the line that is fitted
// without them. For the outermost points that would be an extrapolation: theirs are
// those from the line itself.
func leaveOneOut(points []Point, all line, first bool) (deviations []float64) {
	if len(points) < leastSizes {
		return nil
	}
	for i, p := range points {
		l := all
		if 0 < i && i < len(points)-1 {
			l, _ = fitLine(slices.Concat(points[:i], points[i+1:]), first)
		}
		deviations = append(deviations, l.deviation(p))
	}
	return deviations
}

// band is the factor that covers nearly all further deviations; 0 without any. One outlier doesn't widen it.
func band(deviations []float64) float64 {
	if len(deviations) == 0 {
		return 0
	}
	const (
		sigmas     = 3
		consistent = 1.4826 // the standard deviation of a normal distribution over its median absolute deviation
	)
	return max(leastBand, math.Exp(min(sigmas*consistent*stat.Median(deviations), slices.Max(deviations))))
}
