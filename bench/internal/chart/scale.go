package chart

import (
	"math"
	"slices"
	"strconv"
)

// A Unit is how an axis is divided and how its numbers are written.
type Unit int

const (
	Bytes       Unit = iota // B, KiB, MiB, …, by powers of two
	Nanoseconds             // ns, µs, ms, s, by powers of ten
)

// A scale maps positive numbers to 0…1 by their logarithms.
type scale struct{ low, high float64 } // log2 of both ends

// leastRange keeps the scale of one point, or of equal ones, from having no length; log2.
const leastRange = 3

// newScale spans values, with a part of its length added at both ends.
func newScale(values []float64, room float64) scale {
	if len(values) == 0 {
		return scale{0, leastRange}
	}
	s := scale{math.Log2(slices.Min(values)), math.Log2(slices.Max(values))}
	if short := leastRange - (s.high - s.low); short > 0 {
		s.low, s.high = s.low-short/2, s.high+short/2
	}
	add := room * (s.high - s.low)
	return scale{s.low - add, s.high + add}
}

func (s scale) at(v float64) float64 {
	return min(1, max(0, (math.Log2(v)-s.low)/(s.high-s.low)))
}

// ticks are at most most numbers on the scale that are round in the unit.
func (s scale) ticks(u Unit, most int) []float64 {
	most = max(most, 2)
	if u == Bytes {
		for _, step := range []int{1, 2, 4, 5, 10, 20, 40, 100, 1000} {
			if t := s.multiples(1, step); len(t) <= most {
				return t
			}
		}
		return nil
	}
	fine := s.multiples(math.Log2(10), 1)
	if len(fine) <= 3 {
		var t []float64
		for p := math.Floor(s.low / math.Log2(10)); p <= s.high/math.Log2(10); p++ {
			for _, digit := range []float64{1, 2, 5} {
				if v := digit * math.Pow(10, p); math.Log2(v) >= s.low && math.Log2(v) <= s.high {
					t = append(t, v)
				}
			}
		}
		if len(t) <= most && len(t) > 0 {
			return t
		}
	}
	for _, step := range []int{1, 2, 3, 6, 12, 24, 100, 1000} {
		if t := s.multiples(math.Log2(10), step); len(t) <= most {
			return t
		}
	}
	return nil
}

// multiples are the powers on the scale whose exponent step divides. A power is log2 of
// their base.
func (s scale) multiples(power float64, step int) (t []float64) {
	first := int(math.Ceil(s.low / power))
	for first%step != 0 {
		first++
	}
	for e := first; float64(e)*power <= s.high; e += step {
		if power == 1 {
			t = append(t, math.Ldexp(1, e))
		} else {
			t = append(t, math.Pow(10, float64(e)))
		}
	}
	return t
}

// format writes a tick: "4 KiB", "10 µs".
func (u Unit) format(v float64) string {
	names, step := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}, 1024.0
	if u == Nanoseconds {
		names, step = []string{"ns", "µs", "ms", "s"}, 1000
	}
	i := 0
	for ; i < len(names)-1 && v >= step*(1-1e-9); i++ {
		v /= step
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + " " + names[i]
}

// spread moves places apart so that each is gap or more from the next, none leaves
// from…to, and all move as little as they can (least squares). The places are sorted.
func spread(places []float64, gap, from, to float64) []float64 {
	type block struct {
		sum float64
		n   int
	}
	var blocks []block
	for i, p := range places {
		blocks = append(blocks, block{p - float64(i)*gap, 1})
		for n := len(blocks); n > 1 && blocks[n-2].sum*float64(blocks[n-1].n) > blocks[n-1].sum*float64(blocks[n-2].n); n-- {
			blocks[n-2].sum += blocks[n-1].sum
			blocks[n-2].n += blocks[n-1].n
			blocks = blocks[:n-1]
		}
	}
	apart := make([]float64, 0, len(places))
	for _, b := range blocks {
		at := max(from, min(to-float64(len(places)-1)*gap, b.sum/float64(b.n)))
		for range b.n {
			apart = append(apart, at+float64(len(apart))*gap)
		}
	}
	return apart
}
