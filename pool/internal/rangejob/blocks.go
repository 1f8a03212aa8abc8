package rangejob

import "fmt"

// The bounds of a range's blocks.
const (
	maxBlocks  = 32768 // of one range
	maxSharers = 4096  // workers that a range is cut for
	maxRounds  = 110   // until 2/3 of 2/3 … of 2^63 indices is one
	taper      = 3     // k below
)

// Blocks is a range of n indices cut into blocks for workers that take them one
// by one, large ones first: guided self-scheduling (Polychronopoulos and Kuck,
// 1987). A block has remaining/(k·workers) indices, but not fewer than the
// grain. As in factoring (Hummel, Schonberg and Flynn, 1992) the size is worked
// out once for each round of as many blocks as workers, so that a block is found
// from its number in O(1) and every process that knows n, grain and workers cuts
// the same blocks by the same integers.
//
// k is 3: a round takes a third of what is left, and even its last block is at
// most half of one worker's share of what is left by then. So a worker at half
// the speed of the others, or with indices that cost twice the mean, still ends
// when the others do; with k = 1 it makes the job last twice as long, and with
// k = 2 it may come late with the last block of a round. A greater k forgives
// more, but the number of blocks, and with it what taking and reporting them
// costs, grows as 1/ln(k/(k−1)): for k = 3 they are some
// 2.5·workers·ln(n/(3·workers·grain)), for k = 2 0.6 times as many, for k = 4 1.4
// times. What is out of balance in the end is one block of the tail whatever k
// is, and that has less than twice the grain.
//
// If that came to more than maxBlocks, the grain is raised. It matters above a
// thousand workers: with 4096 a block of the tail is then at most 1/22 of a
// worker's share of the range, with 2048 1/500.
type Blocks struct {
	n, workers int
	Count      int // of all blocks
	rounds     int // of workers blocks each; the rest is the tail
	tail       int // blocks in it
	start      [maxRounds + 1]int
}

// Cut divides n indices, none if n is negative, among workers. Numbers below 1
// count as 1, more workers than maxSharers as maxSharers. No block is empty, and
// none has fewer indices than grain unless n is less.
func Cut(n, grain, workers int) Blocks {
	if n <= 0 {
		return Blocks{}
	}
	workers = min(max(workers, 1), maxSharers)
	// After so many rounds, taper·workers blocks of the grain must cover the rest.
	most := n
	for range min(maxBlocks/workers-taper, maxRounds) {
		most -= most / taper
	}
	grain = max(grain, 1, guided(most, workers))

	b := Blocks{n: n, workers: workers}
	left := n
	for size := guided(left, workers); size > grain; size = guided(left, workers) {
		left -= workers * size
		b.rounds++
		b.start[b.rounds] = n - left
	}
	b.tail = max(left/grain, 1)
	b.Count = b.rounds*workers + b.tail
	return b
}

// guided is left/(taper·workers), rounded up.
func guided(left, workers int) int { return (left-1)/(taper*workers) + 1 }

// At returns the indices of block i, from lo up to hi, which is not one of them.
// It panics unless 0 ≤ i < b.Count.
func (b *Blocks) At(i int) (lo, hi int) {
	if i < 0 || i >= b.Count {
		panic(fmt.Sprintf("rangejob: block %d of %d", i, b.Count))
	}
	if round := i / b.workers; round < b.rounds {
		size := guided(b.n-b.start[round], b.workers)
		lo = b.start[round] + i%b.workers*size
		return lo, lo + size
	}
	i -= b.rounds * b.workers
	size, larger := (b.n-b.start[b.rounds])/b.tail, (b.n-b.start[b.rounds])%b.tail
	lo = b.start[b.rounds] + i*size + min(i, larger)
	if i < larger {
		size++
	}
	return lo, lo + size
}
