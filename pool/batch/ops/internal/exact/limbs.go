package exact

import (
	"encoding/binary"
	"math/big"
	"math/bits"
)

// Limbs are fixed-width two's complement integers in little-endian 64-bit
// words. What is carried out of the top limb is dropped; callers keep counts
// small enough that this is never anything but copies of the sign.

// addLimbs adds src to dst, limb by limb. They are of one length and may be the
// same slice.
func addLimbs(dst, src []uint64) {
	var carry uint64
	for i, w := range src {
		dst[i], carry = bits.Add64(dst[i], w, carry)
	}
}

// addShifted adds v·2^bit to dst, where v is a signed 192-bit integer, low word
// first.
func addShifted(dst []uint64, bit int, v [3]uint64) {
	shift := uint(bit) % 64
	sign := uint64(int64(v[2]) >> 63)
	words := [4]uint64{
		v[0] << shift,
		v[1]<<shift | v[0]>>(64-shift), // a shift by 64 gives 0
		v[2]<<shift | v[1]>>(64-shift),
		sign<<shift | v[2]>>(64-shift),
	}
	dst = dst[bit/64:]
	var carry uint64
	for i := range dst {
		w := sign
		if i < len(words) {
			w = words[i]
		} else if sign+carry == 0 {
			return // nothing left to carry: 0 with no carry, or -1 with one
		}
		dst[i], carry = bits.Add64(dst[i], w, carry)
	}
}

// bigUnsigned returns limbs, read as an unsigned integer.
func bigUnsigned(limbs []uint64) *big.Int {
	bigEndian := make([]byte, 0, 8*squareLimbs)
	for i := len(limbs) - 1; i >= 0; i-- {
		bigEndian = binary.BigEndian.AppendUint64(bigEndian, limbs[i])
	}
	return new(big.Int).SetBytes(bigEndian)
}

// bigSigned returns limbs, read as a two's complement integer.
func bigSigned(limbs []uint64) *big.Int {
	v := bigUnsigned(limbs)
	if int64(limbs[len(limbs)-1]) < 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(64*len(limbs))))
	}
	return v
}
