package bench

import (
	"encoding/binary"
	"math/rand/v2"

	"example.com/handoff/shm"
)

// arrays are the payloads that are arrays, by dtype. n is elements.
var arrays = map[shm.DType]*payload{
	shm.Bool:       arrayPayload[bool](),
	shm.Int8:       arrayPayload[int8](),
	shm.Int16:      arrayPayload[int16](),
	shm.Int32:      arrayPayload[int32](),
	shm.Int64:      arrayPayload[int64](),
	shm.Uint8:      arrayPayload[uint8](),
	shm.Uint16:     arrayPayload[uint16](),
	shm.Uint32:     arrayPayload[uint32](),
	shm.Uint64:     arrayPayload[uint64](),
	shm.Float32:    arrayPayload[float32](),
	shm.Float64:    arrayPayload[float64](),
	shm.Complex64:  arrayPayload[complex64](),
	shm.Complex128: arrayPayload[complex128](),
}

func arrayPayload[E shm.Element]() *payload {
	dtype := shm.DTypeOf[E]()
	return NewPayload("array-"+dtype.String(), func(n int) []E {
		x := make([]E, n)
		fillEntropic(rawBytes(&x), dtype)
		return x
	}).p
}

// Masks of a word: which bits are random, and which are set.
const (
	random64, one64 = 1<<63 | 1<<52 - 1, 1023 << 52
	random32, one32 = 1<<31 | 1<<23 - 1, 127 << 23
)

// fillEntropic gives elements that gob cannot shorten: floats are ±[1, 2) with all bits of
// the mantissa random, as gob does not send trailing zero bytes; the other types' bits are
// all random. It is the same for the same length.
func fillEntropic(b []byte, dtype shm.DType) {
	and, or := ^uint64(0), uint64(0)
	switch dtype {
	case shm.Float64, shm.Complex128:
		and, or = random64, one64
	case shm.Float32, shm.Complex64:
		and, or = random32<<32|random32, one32<<32|one32
	case shm.Bool:
		and = 0x0101010101010101
	}
	r := rand.NewPCG(uint64(len(b)), uint64(dtype))
	var last [8]byte
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, r.Uint64()&and|or)
	}
	binary.LittleEndian.PutUint64(last[:], r.Uint64()&and|or)
	copy(b, last[:])
}
