package chaos

import (
	"math/rand/v2"
	"time"
)

// A decision is one fault to come.
type decision struct {
	pause time.Duration // before it
	fault Fault
	rank  uint32        // of the victim, modulo how many there are
	hold  time.Duration // of Pause: how long
}

// A script is the endless sequence of a storm's decisions. It depends on nothing
// but the seed and the plan: neither on what came of a decision nor on how many
// numbers another fault needs. Generator and distribution are those that
// math/rand/v2 promises to keep.
type script struct {
	rng    *rand.Rand
	faults []Fault
	every  time.Duration
}

func newScript(plan Plan) *script {
	return &script{rand.New(rand.NewPCG(plan.Seed, 0x6368616f73)), plan.Faults, plan.Every}
}

func (s *script) next() decision {
	return decision{s.duration(), s.faults[s.rng.IntN(len(s.faults))], s.rng.Uint32(), s.duration()}
}

// longest is how many times as long as the mean a duration may be.
const longest = 8

func (s *script) duration() time.Duration {
	return time.Duration(min(s.rng.ExpFloat64(), longest) * float64(s.every))
}
