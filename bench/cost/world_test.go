package cost

import (
	"context"
	"math"
	"math/rand/v2"
	"os"

	"example.com/handoff/bench/stat"
)

// A world makes times: what a strategy takes by size, under one of several kinds of noise.
type world struct {
	random *rand.Rand
	kind   string
	sigma  float64 // of the logarithm of one time
	a, b   func(bytes int64) float64
	drift  float64
	rounds int
}

var kinds = []string{"normal", "heavy tails", "drifting", "bimodal"}

func newWorld(seed uint64, kind string, sigma float64, a, b func(int64) float64) *world {
	return &world{random: rand.New(rand.NewPCG(seed, 13)), kind: kind, sigma: sigma, a: a, b: b}
}

// noise is the factor of one time; its median is one.
func (w *world) noise() float64 {
	x := w.sigma * w.random.NormFloat64()
	switch w.kind {
	case "heavy tails": // Student's t with 1.5 degrees of freedom, one-sided spikes included
		x /= math.Sqrt(w.random.ExpFloat64()/1.5 + 1e-9)
	case "bimodal":
		if w.random.IntN(2) == 0 {
			x += 4 * w.sigma
		} else {
			x -= 4 * w.sigma
		}
	}
	return math.Exp(x)
}

func (w *world) measure(_ context.Context, bytes int64, rounds int) (a, b []float64, err error) {
	for range rounds {
		common := 1.0
		if w.kind == "drifting" { // both ways of a round alike; up to a fifth in a whole run
			w.drift += w.random.NormFloat64() * 0.01
			w.drift = max(-0.1, min(0.1, w.drift))
			common = math.Exp(w.drift)
		}
		a = append(a, w.a(bytes)*common*w.noise())
		b = append(b, w.b(bytes)*common*w.noise())
	}
	w.rounds += rounds
	return a, b, nil
}

// linear is fixed + bytes × slope.
func linear(fixed, slope float64) func(int64) float64 {
	return func(bytes int64) float64 { return fixed + slope*float64(bytes) }
}

// points are medians of n rounds at each size, of either strategy.
func (w *world) points(sizes []int64, n int) (a, b []Point, known []Rounds) {
	for _, size := range sizes {
		x, y, _ := w.measure(context.Background(), size, n)
		a, b = append(a, Point{"gob-reused", size, stat.Median(x)}), append(b, Point{"shm-fresh", size, stat.Median(y)})
		known = append(known, Rounds{size, x, y})
	}
	return a, b, known
}

func powers(least, most int64, factor int64) (sizes []int64) {
	for s := least; s <= most; s *= factor {
		sizes = append(sizes, s)
	}
	return sizes
}

// soak is how many runs a test makes: the second number under HANDOFF_SOAK.
func soak(plain, soaking int) int {
	if os.Getenv("HANDOFF_SOAK") != "" {
		return soaking
	}
	return plain
}

// atLeast is how many of so many runs have to succeed if the share is promised: with few of them, one may always fail.
func atLeast(runs int, share float64) int {
	return min(int(share*float64(runs)), runs-1)
}
