package pool

import "time"

// A waiter is parked until it has a token: what it waits for is there, or it is to lead.
// Guarded by Pool.mu, but for the token.
type waiter struct {
	token      chan struct{} // capacity 1
	over       bool          // what it waits for is there
	hadToWait  bool          // it was not there at once
	parked     bool
	leads      bool      // the token made it the leader
	longWait   bool      // it has waited for long, and is not made the leader
	slept      time.Time // its first sleep as the leader; zero before
	urgent     bool      // it wants to lead and nothing else
	prev, next *waiter
}

// longWaitAfter is for how long a leader sleeps again and again before it leaves leading
// to the dispatcher. A round trip beside a long wait takes 13 times as long without:
// BenchmarkHot/op=roundtrip/workers=2/beside=wait.
const longWaitAfter = 20 * time.Millisecond

// sleepsLong reports whether w has waited for long. It is called before each sleep.
func (w *waiter) sleepsLong() bool {
	if w.slept.IsZero() {
		w.slept = time.Now()
	}
	return time.Since(w.slept) > longWaitAfter
}

// A waiterList is first in, first out, but for urgent ones.
type waiterList struct{ first, last *waiter }

func (l *waiterList) push(w *waiter) {
	w.parked = true
	if w.urgent {
		if w.prev, w.next = nil, l.first; l.first != nil {
			l.first.prev = w
		} else {
			l.last = w
		}
		l.first = w
		return
	}
	if w.prev, w.next = l.last, nil; l.last != nil {
		l.last.next = w
	} else {
		l.first = w
	}
	l.last = w
}

func (l *waiterList) remove(w *waiter) {
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		l.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		l.last = w.prev
	}
	w.prev, w.next, w.parked = nil, nil, false
}
