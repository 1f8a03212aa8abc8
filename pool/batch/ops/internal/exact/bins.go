package exact

import (
	"math"
	"math/bits"
)

const (
	binCount = 512     // four exponents each
	binRoom  = 1 << 16 // values between two flushes: 2^16 squares below 2^112
)

// bin holds the sum of the floats that share four exponents, and the sum of
// their squares, as 128-bit integers in the bin's unit.
type bin struct {
	sumLo, sumHi       uint64 // two's complement
	squareLo, squareHi uint64
}

// bins is the scratch of one call that adds floats: 16 KiB of stack.
type bins struct {
	bin                 [binCount]bin
	used                int // values since the last flush, at most binRoom
	nan, posInf, negInf int64
}

// addFloats adds the values of from, which are floats, to the sums of s, and
// returns how many they are.
func addFloats[T Number](s *Sums, from blocks[T]) int64 {
	var count int64
	var b bins
	var scratch [blockLen]T
	for block := from.next(&scratch); len(block) > 0; block = from.next(&scratch) {
		count += int64(len(block))
		for len(block) > 0 {
			k := min(len(block), binRoom-b.used)
			addBins(&b, block[:k])
			block = block[k:]
			if b.used += k; b.used == binRoom {
				b.flush(s)
			}
		}
	}
	b.flush(s)
	s.NaN += b.nan
	s.PosInf += b.posInf
	s.NegInf += b.negInf
	return count
}

// addBins adds values, at most binRoom less b.used of them, without counting
// them. T is float32 or float64; a float32 widens exactly.
func addBins[T Number](b *bins, values []T) {
	for _, v := range values {
		word := math.Float64bits(float64(v))
		exponent := word >> 52 & 0x7ff
		if exponent == 0x7ff {
			b.addSpecial(float64(v))
			continue
		}
		// normal is 1, or 0 for zero and subnormals, whose hidden bit is 0 and
		// whose unit is that of exponent 1.
		normal := (exponent + 0x7ff) >> 11
		mantissa := word&(1<<52-1) | normal<<52
		exponent -= normal

		to := &b.bin[exponent/4%binCount]
		magnitude := mantissa << (exponent % 4)
		sign := uint64(int64(word) >> 63)
		x := (magnitude ^ sign) - sign // negated if sign is all ones
		hi, lo := bits.Mul64(magnitude, magnitude)

		var carry uint64
		to.sumLo, carry = bits.Add64(to.sumLo, x, 0)
		to.sumHi, _ = bits.Add64(to.sumHi, uint64(int64(x)>>63), carry)
		to.squareLo, carry = bits.Add64(to.squareLo, lo, 0)
		to.squareHi, _ = bits.Add64(to.squareHi, hi, carry)
	}
}

// addSpecial counts v, a NaN or an infinity.
func (b *bins) addSpecial(v float64) {
	switch {
	case v > 0:
		b.posInf++
	case v < 0:
		b.negInf++
	default:
		b.nan++
	}
}

// flush moves what is in the bins to S and Q and leaves the bins empty.
func (b *bins) flush(s *Sums) {
	if b.used == 0 {
		return
	}
	for i := range b.bin {
		full := b.bin[i]
		if full.squareLo|full.squareHi == 0 {
			continue // zeros only
		}
		sign := uint64(int64(full.sumHi) >> 63)
		addShifted(s.S[:], 4*i, [3]uint64{full.sumLo, full.sumHi, sign})
		addShifted(s.Q[:], 8*i, [3]uint64{full.squareLo, full.squareHi, 0})
		b.bin[i] = bin{}
	}
	b.used = 0
}
