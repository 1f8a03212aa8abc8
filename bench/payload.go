package bench

import (
	"math"
	"math/rand/v2"
)

// A payload is the array of one size, and the answers that are right for it.
type payload struct {
	x     []float64
	touch Touch
	rnd   *rand.Rand
	// The first element of a handoff is one of two stamps in turn, so that the
	// answer to one handoff is wrong for the next.
	stamp [2]float64
	truth [2]uint64 // the answers' bits
}

func newPayload(bytes int64, touch Touch) *payload {
	p := &payload{x: make([]float64, bytes/elemBytes), touch: touch, rnd: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}
	for i := range p.x {
		p.x[i] = entropic(p.rnd)
	}
	p.restamp()
	return p
}

// entropic is ±[1, 2) with 52 random bits of mantissa. rand.Float64 leaves low
// bits zero in small values, and gob does not send trailing zero bytes.
func entropic(r *rand.Rand) float64 {
	const signAndMantissa, one = 1<<63 | 1<<52 - 1, 1023 << 52
	return math.Float64frombits(r.Uint64()&signAndMantissa | one)
}

// restamp changes the ends and computes the new answers, two that differ.
func (p *payload) restamp() {
	p.x[len(p.x)-1] = entropic(p.rnd)
	for {
		for i := range p.stamp {
			p.stamp[i] = entropic(p.rnd)
			p.x[0] = p.stamp[i]
			p.truth[i] = math.Float64bits(p.touch.of(p.x))
		}
		if p.truth[0] != p.truth[1] {
			return
		}
	}
}
