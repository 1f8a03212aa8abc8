package stat

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// Resample is the bootstrap (Efron, "Bootstrap methods: another look at the jackknife",
// 1979) of whole rounds: it calls f so many times with as many rounds as there are, drawn
// with replacement, and returns what f returns. What belongs to one round stays
// together, and with it what the ways of a round have in common. The same seed draws the same
// rounds.
func Resample(rounds, times int, seed uint64, f func(drawn []int) float64) []float64 {
	random := rand.New(rand.NewPCG(seed, uint64(rounds)))
	drawn, out := make([]int, rounds), make([]float64, 0, times)
	for range times {
		for i := range drawn {
			drawn[i] = random.IntN(rounds)
		}
		out = append(out, f(drawn))
	}
	return out
}

// Seed is a number that depends on all samples, so that who reads them in a report gets
// the same resamples.
func Seed(samples ...[]float64) uint64 {
	h := fnv.New64a()
	var b [8]byte
	for _, s := range samples {
		for _, x := range s {
			bits := math.Float64bits(x)
			for i := range b {
				b[i] = byte(bits >> (8 * i))
			}
			h.Write(b[:])
		}
	}
	return h.Sum64()
}
