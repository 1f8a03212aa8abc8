package bench

// A Touch chooses which elements of the array the receiver reads.
type Touch string

const (
	TouchSum  Touch = "sum"  // adds up every element
	TouchEnds Touch = "ends" // adds the first and the last element and reads no other
)

// of is the answer for x; 0 for no elements. It is the same kernel in every
// process, adding in the same order: equal arrays have bit-identical answers.
func (t Touch) of(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	if t == TouchEnds {
		return x[0] + x[len(x)-1]
	}
	return sum(x)
}

// sum has eight accumulators: with one, every addition would wait for the one
// before, and the processor's latency would hide what memory costs.
func sum(x []float64) float64 {
	var s0, s1, s2, s3, s4, s5, s6, s7 float64
	i := 0
	for ; i+8 <= len(x); i += 8 {
		b := x[i : i+8 : i+8]
		s0 += b[0]
		s1 += b[1]
		s2 += b[2]
		s3 += b[3]
		s4 += b[4]
		s5 += b[5]
		s6 += b[6]
		s7 += b[7]
	}
	for _, v := range x[i:] {
		s0 += v
	}
	return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
}
