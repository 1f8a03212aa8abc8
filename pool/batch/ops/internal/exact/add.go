package exact

import "math/bits"

// Number has the integers and floats of fixed width.
type Number interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// AddSums adds to s the elements of values that are not null. Integers enter
// exactly, also beyond 2^53. Floats cost 4 to 5 ns each on one core of a shared EPYC
// machine, plus about a microsecond per call.
//
// Element i is null if bit bitOffset+i of valid is 0, counted from the lowest
// bit of the first byte, as Arrow does. An empty valid means no nulls and
// ignores bitOffset. Neither slice is kept or changed.
//
// It returns ErrBitmap if valid is not empty but too short, ErrTooMany if N +
// len(values) passes 2^63-1; nothing has then been added.
func AddSums[T Number](s *Sums, values []T, valid []byte, bitOffset int) error {
	b, err := newBlocks(values, valid, bitOffset)
	if err != nil {
		return err
	}
	if err := s.makeRoom(int64(len(values))); err != nil {
		return err
	}
	addBlocks(s, b)
	return nil
}

// addBlocks is AddSums after the checks. It returns how many values were valid.
func addBlocks[T Number](s *Sums, b blocks[T]) int64 {
	var count int64
	if kindOf[T]() == KindFloat64 {
		count = addFloats(s, b)
	} else {
		count = addInts(s, b)
	}
	s.N += count
	return count
}

// addInts adds the values of b, which are integers, to the sums of s, and
// returns how many they are. A slice is shorter than 2^63, so 128 bits hold its
// sum and 192 the sum of its squares.
func addInts[T Number](s *Sums, b blocks[T]) int64 {
	var signed uint64 // all ones if T is
	if kindOf[T]() == KindInt64 {
		signed = ^uint64(0)
	}
	var count int64
	var sumLo, sumHi, square0, square1, square2 uint64
	var scratch [blockLen]T
	for block := b.next(&scratch); len(block) > 0; block = b.next(&scratch) {
		count += int64(len(block))
		for _, v := range block {
			sign := uint64(int64(v)>>63) & signed
			magnitude := (uint64(v) ^ sign) - sign // negated if sign is all ones
			hi, lo := bits.Mul64(magnitude, magnitude)

			var carry uint64
			sumLo, carry = bits.Add64(sumLo, uint64(v), 0)
			sumHi, _ = bits.Add64(sumHi, sign, carry)
			square0, carry = bits.Add64(square0, lo, 0)
			square1, carry = bits.Add64(square1, hi, carry)
			square2 += carry
		}
	}
	addShifted(s.S[:], sumUnit, [3]uint64{sumLo, sumHi, uint64(int64(sumHi) >> 63)})
	addShifted(s.Q[:], squareUnit, [3]uint64{square0, square1, square2})
	return count
}
