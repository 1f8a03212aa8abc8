package cost

import (
	"context"

	"example.com/handoff/bench/stat"
)

// Measure takes so many rounds of A and B at a size and returns the times per handoff, in
// nanoseconds, a[i] and b[i] from the same round. It may take more rounds than it was asked for, to fill
// its blocks.
type Measure func(ctx context.Context, bytes int64, rounds int) (a, b []float64, err error)

// Rounds are times of A and B at one size; those of an index are from the same round.
type Rounds struct {
	Bytes int64
	A, B  []float64
}

// A Crossover is a size at which B overtakes A. Where they cross back, A and B have changed
// places. Sizes are bytes; 0 is none.
type Crossover struct {
	A, B string
	// Low is the largest size at which A is separated as the faster, High the
	// smallest above it at which B is. Bytes is in between: where the ratio is one.
	Bytes, Low, High int64
	// LowRatio and HighRatio are A's time over B's at Low and at High.
	LowRatio, HighRatio float64
	// Always is "a" or "b" where there is no crossover: which of them is the faster wherever
	// they are separated. "" if they are separated nowhere.
	Always   string
	Verified string // "confirmed", "wrong by …", "not confirmed: …", or "" before Verify
	Note     string // why high/low is not what was asked for; "" if it is
}

// SearchOptions bound a search.
type SearchOptions struct {
	// Min and Max bound the sizes; 0 is the least and the greatest that both
	// models have seen.
	Min, Max int64
	// Possible maps a wanted size to the nearest one that the payload can have. nil: every size.
	Possible func(bytes int64) int64
	// Known are rounds that were measured already, maybe with other strategies in between:
	// they say where to look. Both ends of a crossover are measured by the search itself.
	Known []Rounds
	// Goal is the greatest high/low that is good enough; 0 is 1.5.
	Goal float64
	// MaxRounds is after how many rounds the search ends; 0 is 400.
	MaxRounds int
	// Afford is asked before rounds are measured; false ends the search. nil: always true.
	Afford func(bytes int64, rounds int) bool
}

// Found is what a search has found.
type Found struct {
	Crossovers []Crossover // by size; at least one, which says Always if they never cross
	Compared   []Compared  // every size at which there are rounds, ascending
	Rounds     int         // that the search measured
}

// Compared is a size at which A and B were compared.
type Compared struct {
	Bytes int64
	stat.Ratio
}
