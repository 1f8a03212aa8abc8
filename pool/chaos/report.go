package chaos

import (
	"fmt"
	"strings"
	"time"
)

// A Report is what a storm has done. Its text has all of the plan that decides
// the sequence.
type Report struct {
	Seed  uint64
	Every time.Duration
	// Dealt has an entry for each fault of the plan. A signal counts when it was
	// sent to a worker that lived, a strike when a worker has died under it: of it,
	// but for one that a signal hit meanwhile. A strike that the storm's end, or the
	// pool's, overtook may be missing.
	Dealt map[Fault]int
	// Err is why a strike did no harm, the first time that one did not; nil if none.
	Err error
}

// String is one line: the seed, the mean pause, and how many of each fault.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "chaos: seed %#x, every %v", r.Seed, r.Every)
	sep := ": "
	for _, f := range allFaults {
		if n, ok := r.Dealt[f]; ok {
			fmt.Fprintf(&b, "%s%s %d", sep, f, n)
			sep = ", "
		}
	}
	if r.Err != nil {
		fmt.Fprintf(&b, "; %v", r.Err)
	}
	return b.String()
}
