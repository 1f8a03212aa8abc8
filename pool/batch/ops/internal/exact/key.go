package exact

import "math"

// Key maps v to an integer that is the larger, the larger v is; -0 is below +0. v is no
// NaN.
func Key[T Number](v T) uint64 {
	if kindOf[T]() != KindFloat64 {
		return uint64(v) ^ signBit(kindOf[T]())
	}
	word := math.Float64bits(float64(v))
	return word ^ (uint64(int64(word)>>63) | 1<<63)
}

// FromKey is the inverse of [Key].
func FromKey[T Number](key uint64) T {
	if kindOf[T]() != KindFloat64 {
		return T(key ^ signBit(kindOf[T]()))
	}
	return T(math.Float64frombits(key ^ (^uint64(int64(key)>>63) | 1<<63)))
}
