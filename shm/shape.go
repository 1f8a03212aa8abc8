package shm

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
)

// MaxRank is the largest number of dimensions of an array.
const MaxRank = 8

// A Shape is the number of elements along each dimension, in C order (the last
// one varies fastest). It is a value: it can be copied and compared. The zero
// Shape has rank 0: one element, a scalar.
type Shape struct {
	rank int
	dims [MaxRank]int
}

// ShapeOf makes a shape. More than [MaxRank] dimensions and negative ones are
// errors, as is a product that overflows.
func ShapeOf(dims ...int) (Shape, error) {
	var s Shape
	if len(dims) > MaxRank {
		return s, fmt.Errorf("shm: %d dimensions, at most %d", len(dims), MaxRank)
	}
	s.rank = copy(s.dims[:], dims)
	if _, why := s.bytes(1); why != "" {
		return Shape{}, fmt.Errorf("shm: shape %v: %s", s, why) // s, not dims: those stay on the caller's stack
	}
	return s, nil
}

// Rank is the number of dimensions.
func (s Shape) Rank() int { return s.rank }

// Dims is a copy of the dimensions.
func (s Shape) Dims() []int { return append([]int{}, s.dims[:s.rank]...) }

// Dim is the number of elements along dimension i, 0 ≤ i < Rank.
func (s Shape) Dim(i int) int { return s.dims[:s.rank][i] }

// Len is the number of elements: the product of the dimensions, 1 for rank 0.
func (s Shape) Len() int {
	n := 1
	for _, d := range s.dims[:s.rank] {
		n *= d
	}
	return n
}

func (s Shape) String() string { return fmt.Sprint(s.dims[:s.rank]) }

// bytes is the size of an array of this shape, or why there is none. The
// strides must be representable too, so zeros do not hide an overflow.
func (s Shape) bytes(elem int64) (int64, string) {
	if s.rank < 0 || s.rank > MaxRank {
		return 0, "rank is out of range"
	}
	size, zero := uint64(elem), false
	for _, d := range s.dims[:s.rank] {
		if d < 0 {
			return 0, "a dimension is negative"
		}
		if d == 0 {
			zero = true
			continue
		}
		hi, lo := bits.Mul64(size, uint64(d))
		if hi != 0 || lo > math.MaxInt64 {
			return 0, "the size in bytes overflows"
		}
		size = lo
	}
	if zero {
		return 0, ""
	}
	return int64(size), ""
}

// MarshalJSON writes the dimensions as an array of integers.
func (s Shape) MarshalJSON() ([]byte, error) { return json.Marshal(s.Dims()) }

// UnmarshalJSON reads an array of at most [MaxRank] non-negative integers.
func (s *Shape) UnmarshalJSON(b []byte) error {
	var given []*int // nil for null
	if err := json.Unmarshal(b, &given); err != nil {
		return fmt.Errorf("shm: shape: %w", err)
	}
	dims := make([]int, len(given))
	for i, d := range given {
		if d == nil {
			return fmt.Errorf("shm: shape: dimension %d is null, expected an integer", i)
		}
		dims[i] = *d
	}
	if given == nil {
		return fmt.Errorf("shm: shape is null, expected an array of integers")
	}
	v, err := ShapeOf(dims...)
	if err == nil {
		*s = v
	}
	return err
}

// appendDims appends the dimensions, 8 bytes each, little-endian.
func (s Shape) appendDims(b []byte) []byte {
	for _, d := range s.dims[:s.rank] {
		b = binary.LittleEndian.AppendUint64(b, uint64(d))
	}
	return b
}

// readDims reads rank dimensions, at most MaxRank, that b has in full.
func (s *Shape) readDims(b []byte, rank int) {
	s.rank = rank
	for i := range rank {
		s.dims[i] = int(binary.LittleEndian.Uint64(b[8*i:]))
	}
}
