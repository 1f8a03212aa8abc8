package cost

import (
	"context"
	"errors"
)

// VerifyOptions say how a verification measures.
type VerifyOptions struct {
	// Min, Max and Possible are those of the search.
	Min, Max int64
	Possible func(bytes int64) int64
	// Tolerance is by which factor a machine's medians differ between two minutes; 0 is 1.25. A model is not called
	// wrong for less.
	Tolerance float64
	// Rounds is how many are measured at each size; 0 is 8. Where A and B are not separated, there are more.
	Rounds int
	// Afford is asked before rounds are measured; false ends the verification. nil: always true.
	Afford func(bytes int64, rounds int) bool
}

// A Verification is what was found at sizes that were measured afresh.
type Verification struct {
	Verdict string  // "confirmed", "wrong by …" or "not confirmed: …"
	Checks  []Check // of the models of A and B, at sizes that neither fit has seen
	Rounds  int
}

// A Check compares a model with what was measured afresh. Low and High are an interval for the median.
type Check struct {
	Strategy                  string
	Bytes                     int64
	ModelNS                   float64
	MeasuredNS, LowNS, HighNS float64
	OK                        bool
}

// Verify measures afresh below, inside and above a crossover, and at three sizes that
// neither model has seen. The caller stores the verdict in c.Verified.
func Verify(ctx context.Context, c Crossover, a, b Model, measure Measure, o VerifyOptions) (Verification, error) {
	return Verification{}, errors.ErrUnsupported
}
