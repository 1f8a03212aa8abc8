package life

import (
	"math/rand/v2"
	"time"
)

// Back-off is with full jitter, as in "Exponential Backoff And Jitter" of the AWS
// Architecture Blog (2015): a wait is anything up to unit, 2·unit, … most.
const (
	unit = 10 * time.Millisecond
	most = time.Second
	// pace is between two starts after short lives, of all slots together.
	pace = 125 * time.Millisecond
)

// MaxFailedStarts in a row, over all slots, are enough: what does not start will not
// start the next time either.
const MaxFailedStarts = 5

// Backoff is how long to wait before try n: not at all for the first and the second,
// then up to 10 ms, 20 ms, … 1 s.
func Backoff(n int) time.Duration {
	if n < 2 {
		return 0
	}
	return rand.N(min(unit<<min(n-2, 10), most))
}

// Restarts paces the starts of all slots, and counts those that fail.
type Restarts struct {
	next   time.Time // when the next start after a short life may be
	failed int       // in a row
}

// Wait is how long a slot waits before its next start, after that many short lives, in
// which no task was finished: its Backoff, and its turn.
func (r *Restarts) Wait(short int, now time.Time) time.Duration {
	if short < 2 {
		return 0
	}
	at := now
	if r.next.After(at) {
		at = r.next
	}
	r.next = at.Add(pace)
	return max(Backoff(short), at.Sub(now))
}

// Started is a start that has succeeded.
func (r *Restarts) Started() { r.failed = 0 }

// Failed is one that has not.
func (r *Restarts) Failed() { r.failed++ }

// Exhausted reports whether MaxFailedStarts have failed in a row.
func (r *Restarts) Exhausted() bool { return r.failed >= MaxFailedStarts }
