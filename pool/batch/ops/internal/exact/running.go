package exact

import (
	"math"
	"math/bits"
)

// Running is the exact sum of a multiset that numbers enter and leave, as a window that
// moves over rows. The zero value is the empty multiset.
//
// A Running may be read by several goroutines, or changed by one.
type Running struct {
	n                            int64
	nan, posInf, negInf, negZero int64
	// The sum as in Sums.S, but only the limbs from low to high: those below are 0, and
	// those above are not kept, as they would be copies of the sign.
	sum       [sumLimbs]uint64
	low, high int
}

// Enter adds v to the multiset of r.
func Enter[T Number](r *Running, v T) { change(r, v, 1) }

// Leave takes v from the multiset of r.
//
// Preconditions:
//   - v is in the multiset.
func Leave[T Number](r *Running, v T) { change(r, v, -1) }

func change[T Number](r *Running, v T, by int64) {
	r.n += by
	switch kindOf[T]() {
	case KindFloat64:
		r.changeFloat(float64(v), by)
	case KindInt64:
		sign := uint64(int64(v) >> 63)
		r.add((uint64(v)^sign)-sign, sumUnit, sign^uint64(by>>63))
	default:
		r.add(uint64(v), sumUnit, uint64(by>>63))
	}
}

func (r *Running) changeFloat(v float64, by int64) {
	word := math.Float64bits(v)
	exponent := word >> 52 & 0x7ff
	mantissa := word & (1<<52 - 1)
	switch {
	case exponent == 0x7ff:
		switch {
		case v > 0:
			r.posInf += by
		case v < 0:
			r.negInf += by
		default:
			r.nan += by
		}
		return
	case exponent > 0:
		mantissa |= 1 << 52
		exponent--
	case word == 1<<63:
		r.negZero += by
		return
	}
	r.add(mantissa, int(exponent), uint64(int64(word)>>63)^uint64(by>>63))
}

// add adds magnitude·2^bit to the sum, or subtracts it if negative is all ones.
func (r *Running) add(magnitude uint64, bit int, negative uint64) {
	if magnitude == 0 {
		return
	}
	i, shift := bit/64, uint(bit)%64
	if r.high == 0 {
		r.low = i
	}
	r.low = min(r.low, i)
	// The sum of any number of values takes no more than one limb above theirs.
	for sign := uint64(int64(r.sum[r.high]) >> 63); r.high < i+2; {
		r.high++
		r.sum[r.high] = sign
	}
	var carry uint64
	r.sum[i], carry = bits.Add64(r.sum[i], (magnitude<<shift)^negative, negative&1)
	r.sum[i+1], carry = bits.Add64(r.sum[i+1], (magnitude>>(64-shift))^negative, carry)
	for i += 2; i <= r.high; i++ {
		r.sum[i], carry = bits.Add64(r.sum[i], negative, carry)
	}
}

// Mean returns the mean as [Sums.Mean] does, rounded once, to nearest even; false if
// there are no values. It is -0 if every value is.
func (r *Running) Mean() (float64, bool) {
	switch {
	case r.n <= 0:
		return 0, false
	case r.nan != 0 || r.posInf != 0 && r.negInf != 0:
		return math.NaN(), true
	case r.posInf != 0:
		return math.Inf(1), true
	case r.negInf != 0:
		return math.Inf(-1), true
	case r.negZero == r.n:
		return math.Copysign(0, -1), true
	}
	bottom := r.low // the lowest limb that is not 0
	for bottom <= r.high && r.sum[bottom] == 0 {
		bottom++
	}
	if bottom > r.high {
		return 0, true
	}
	negative := uint64(int64(r.sum[r.high]) >> 63)
	limb := func(i int) uint64 { // of the magnitude
		switch {
		case i < bottom:
			return 0
		case i == bottom:
			return (r.sum[i] ^ negative) - negative
		}
		return r.sum[i] ^ negative
	}
	top := r.high
	for top > bottom && limb(top) == 0 {
		top--
	}
	// The leading 128 bits of the magnitude, and whether there is more.
	first, second, third := limb(top), limb(top-1), limb(top-2)
	shift := uint(bits.LeadingZeros64(first))
	first = first<<shift | second>>(64-shift)
	second = second<<shift | third>>(64-shift)
	more := third<<shift != 0 || bottom < top-2
	mean := quotient(first, second, more, uint64(r.n), 64*(top-1)-int(shift)-sumUnit)
	if negative != 0 {
		mean = -mean
	}
	return mean, true
}

// quotient returns (upper·2^64 + lower + ε)·2^exponent / n as the nearest float64, ties
// to even, where ε is 0 or, if more, strictly between 0 and 1. The highest bit of upper
// is set, that of n is not.
func quotient(upper, lower uint64, more bool, n uint64, exponent int) float64 {
	first, rest := upper/n, upper%n
	second, rest := bits.Div64(rest, lower, n)
	shift := uint(bits.LeadingZeros64(first))
	leading := first<<shift | second>>(64-shift)
	more = more || rest != 0 || second<<shift != 0

	// leading, whose highest bit is set, is in units of 2^(exponent+64-shift).
	biased := exponent + 64 - int(shift) + 63 + 1023
	drop := 11
	if biased < 1 { // subnormal
		drop, biased = drop+1-biased, 1
	}
	if drop > 64 {
		return 0 // less than half of the least float
	}
	mantissa, half := leading>>drop, uint64(1)<<63
	dropped := leading << (64 - drop)
	if dropped > half || dropped == half && (more || mantissa&1 == 1) {
		mantissa++
	}
	// The hidden bit, and what is carried out of the mantissa, count the exponent up.
	return math.Float64frombits(uint64(biased-1)<<52 + mantissa)
}
