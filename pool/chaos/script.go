package chaos

import (
	"math/rand/v2"
	"slices"
)

// A decision is one fault to come. Times are in mean pauses.
type decision struct {
	pause float64 // before it
	fault Fault
	rank  uint32  // of the victim, modulo how many there are
	stop  float64 // of a stop: how long
}

// A script is the endless sequence of an engine's decisions. It depends on nothing but
// the seed and the faults: neither on what came of a decision nor on how many numbers
// another fault needs. Each fault comes once before any comes again. Generator and
// distribution are those that math/rand/v2 promises to keep.
type script struct {
	rng    *rand.Rand
	faults []Fault
	deck   []Fault // those that come before any comes again
}

func newScript(seed uint64, faults []Fault) *script {
	return &script{rng: rand.New(rand.NewPCG(seed, 0x6368616f73)), faults: faults}
}

func (s *script) next() decision {
	if len(s.deck) == 0 {
		s.deck = slices.Clone(s.faults)
		s.rng.Shuffle(len(s.deck), func(i, j int) { s.deck[i], s.deck[j] = s.deck[j], s.deck[i] })
	}
	d := decision{s.share(), s.deck[0], s.rng.Uint32(), s.share()}
	s.deck = s.deck[1:]
	return d
}

// maxShare bounds a pause or a stop, in multiples of the mean.
const maxShare = 8

func (s *script) share() float64 { return min(s.rng.ExpFloat64(), maxShare) }
