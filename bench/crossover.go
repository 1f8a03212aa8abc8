package bench

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"example.com/handoff/bench/stat"
)

// The pairs that are compared, the one that wins small arrays first.
var crossoverPairs = [][2]string{{gobReused, shmFresh}, {gobReused, shmCopy}, {shmCopy, inProcess}}

// crossovers leaves out the pairs that were not both measured.
func crossovers(results []Result) []Crossover {
	found := []Crossover{}
	for _, pair := range crossoverPairs {
		if c, ok := crossover(results, pair[0], pair[1]); ok {
			found = append(found, c)
		}
	}
	return found
}

// crossover compares a and b at the sizes at which both were measured.
func crossover(results []Result, a, b string) (c Crossover, ok bool) {
	type point struct{ logBytes, logRatio float64 } // of b's time to a's
	var points []point
	for _, x := range results {
		for _, y := range results {
			if x.Strategy == a && y.Strategy == b && x.Bytes == y.Bytes {
				points = append(points, point{math.Log(float64(x.Bytes)), math.Log(y.MedianNS / x.MedianNS)})
			}
		}
	}
	c = Crossover{A: a, B: b}
	if len(points) == 0 {
		return c, false
	}
	slices.SortFunc(points, func(p, q point) int { return cmp.Compare(p.logBytes, q.logBytes) })
	slower := func(p point) bool { return p.logRatio > 0 }
	from := len(points) // the first size from which b is never slower
	for from > 0 && !slower(points[from-1]) {
		from--
	}
	switch {
	case from == 0:
		c.Always = "b"
	case from < len(points):
		p, q := points[from-1], points[from]
		part := p.logRatio / (p.logRatio - q.logRatio)
		bytes := int64(math.Round(math.Exp(p.logBytes + part*(q.logBytes-p.logBytes))))
		low, high := int64(math.Round(math.Exp(p.logBytes))), int64(math.Round(math.Exp(q.logBytes)))
		c.Bytes, c.Low, c.High = &bytes, &low, &high
	case !slices.ContainsFunc(points, func(p point) bool { return !slower(p) }):
		c.Always = "a"
	}
	return c, true
}

func (c Crossover) short() string {
	switch {
	case c.Bytes != nil && c.Low != nil && c.High != nil:
		s := fmt.Sprintf("%s [%s–%s]", stat.Size(*c.Bytes), stat.Size(*c.Low), stat.Size(*c.High))
		if c.Verified != "" {
			s += ", " + c.Verified
		}
		return s
	case c.Always == "b":
		return "at all measured sizes"
	case c.Always == "a":
		return "at no measured size"
	}
	return "not separated"
}
