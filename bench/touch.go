package bench

import (
	"encoding/binary"
	"math"
	"math/bits"
	"reflect"
)

// A Touch chooses what the receiver does with the value.
type Touch string

const (
	TouchSum  Touch = "sum"  // reads every element
	TouchEnds Touch = "ends" // reads the first and the last element of each slice, array and string
	TouchFunc Touch = "func" // runs the function of [Payload.WithFunc]
)

// A toucher is what receivers do with values of one type.
type toucher struct {
	typ     reflect.Type
	visit   *visitor
	run     func(v any) float64 // of *T; nil without a function
	columns []column            // as the payload has
}

// of is the checksum of what v, a *T, points to, or the bits of what the function answers.
func (t *toucher) of(v any, touch Touch) (uint64, error) {
	if touch == TouchFunc {
		return math.Float64bits(t.run(v)), nil
	}
	w := walk{ends: touch == TouchEnds}
	h := (*t.visit)(reflect.ValueOf(v).UnsafePointer(), &w)
	return h, w.err
}

// spread is odd and has about as many ones as zeros: the golden ratio's bits.
const spread = 0x9E3779B97F4A7C15

// stir makes each bit of x depend on the others.
func stir(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// reply is what a receiver answers: the checksum, or the function's result, of the value
// that came with a sequence number.
func reply(checksum, seq uint64) uint64 { return checksum + seq*spread }

// checksum reads every byte of b and depends on where it stands. It has four pairs of
// accumulators: with one, every addition would wait for the one before, and the
// processor's latency would hide what memory costs.
func checksum(b []byte) uint64 {
	var a0, a1, a2, a3, s0, s1, s2, s3 uint64
	h := uint64(len(b)) * spread
	for len(b) >= 32 {
		w := b[:32:32]
		a0 += binary.LittleEndian.Uint64(w[0:8])
		a1 += binary.LittleEndian.Uint64(w[8:16])
		a2 += binary.LittleEndian.Uint64(w[16:24])
		a3 += binary.LittleEndian.Uint64(w[24:32])
		s0 += a0
		s1 += a1
		s2 += a2
		s3 += a3
		b = b[32:]
	}
	for _, x := range [...]uint64{a0, a1, a2, a3, s0, s1, s2, s3} {
		h = bits.RotateLeft64(h, 7) + x
	}
	for len(b) >= 8 {
		h = h*spread + binary.LittleEndian.Uint64(b)
		b = b[8:]
	}
	for _, c := range b {
		h = h*spread + uint64(c) + 1
	}
	return h
}
