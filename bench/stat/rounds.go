package stat

import (
	"math/rand/v2"
	"slices"
	"time"
)

const (
	leastRounds = 6 // the fewest of which all on one side are outside an interval of 95 %: 2⁻⁶ ≤ 0.025
	leastBlocks = 2
)

// Rounds is the fewest rounds that whole blocks of n ways make: at least so many, six,
// and two blocks.
func Rounds(n, atLeast int) int {
	n = max(1, n)
	blocks := (max(atLeast, leastRounds) + n - 1) / n
	return max(leastBlocks, blocks) * n
}

// Latin is one block: the orders of n rounds in which n ways take their turns, a Latin
// square. Every way is in every position once, so that neither a drift within the
// round nor the first place in it favours any. Names and rounds are permuted afresh
// with each call.
//
// The square is that of Williams ("Experimental designs balanced for the estimation of
// residual effects of treatments", 1949): for an even n every way follows every other
// one once within the rounds, so that what a way leaves behind in the caches meets
// all others alike. For an odd n this takes the square and its mirror image; one of
// them is drawn.
func Latin(n int, random *rand.Rand) [][]int {
	// The first round goes 0, 1, n-1, 2, n-2, …: its steps are all different modulo n.
	first := make([]int, n)
	for i := range first {
		if first[i] = (i + 1) / 2; i%2 == 0 {
			first[i] = (n - i/2) % n
		}
	}
	if random.IntN(2) == 1 {
		slices.Reverse(first)
	}
	names := random.Perm(n)
	block := make([][]int, 0, n)
	for _, shift := range random.Perm(n) {
		round := make([]int, n)
		for i, x := range first {
			round[i] = names[(x+shift)%n]
		}
		block = append(block, round)
	}
	return block
}

// Iterations is how many operations make a sample that takes about so long, if one
// operation takes that long; at least one, at most 1<<20. Each way has its own number: what is
// compared is the time of one operation.
func Iterations(one, sample time.Duration) int {
	return int(min(max(1, sample/max(1, one)), 1<<20))
}
