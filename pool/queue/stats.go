package queue

import "time"

// A waitClock adds up how long any number of goroutines have been blocked.
// Between two changes the sum grows by the number blocked times the time, so
// waits that are not over yet are already in it.
type waitClock struct {
	waits   uint64 // begun so far
	blocked int    // now
	total   time.Duration
	since   time.Time // when total was brought up to date
}

func (c *waitClock) enter(now time.Time) {
	c.total, c.since = c.totalAt(now), now
	c.blocked++
	c.waits++
}

func (c *waitClock) leave(now time.Time) {
	c.total, c.since = c.totalAt(now), now
	c.blocked--
}

func (c *waitClock) totalAt(now time.Time) time.Duration {
	if c.blocked == 0 {
		return c.total
	}
	return c.total + time.Duration(c.blocked)*now.Sub(c.since)
}

// Stats is a snapshot of a Queue. All its fields are of one moment.
//
// Blocked Puts beside a full queue say that consumers are too slow: widen the
// stage that takes from it. Blocked Gets beside an empty one say the opposite.
type Stats struct {
	Items    int   `json:"items"`     // held now
	Bytes    int64 `json:"bytes"`     // charged now
	MaxItems int   `json:"max_items"` // bound in force
	MaxBytes int64 `json:"max_bytes"` // bound in force
	Closed   bool  `json:"closed"`

	HighItems int   `json:"high_items"` // most items ever held at once
	HighBytes int64 `json:"high_bytes"` // most bytes ever charged at once; above MaxBytes only by one item that was alone

	Puts uint64 `json:"puts"` // items admitted so far
	Gets uint64 `json:"gets"` // items taken so far

	PutsBlocked uint64 `json:"puts_blocked"` // Puts that had to wait so far, however that ended
	GetsBlocked uint64 `json:"gets_blocked"` // Gets that had to wait so far, however that ended
	PutsWaiting int    `json:"puts_waiting"` // of those, blocked now
	GetsWaiting int    `json:"gets_waiting"` // of those, blocked now

	// Age is the time since the queue was made. FullTime of it a Put had to wait, or
	// would have had to for the items or bytes held; EmptyTime of it nothing was held.
	Age       time.Duration `json:"age_ns"`
	FullTime  time.Duration `json:"full_ns"`
	EmptyTime time.Duration `json:"empty_ns"`

	// PutBlockedTime and GetBlockedTime are the times spent blocked, summed
	// over all callers (so they may outrun the clock), the waits that are not
	// over yet included.
	PutBlockedTime time.Duration `json:"put_blocked_ns"`
	GetBlockedTime time.Duration `json:"get_blocked_ns"`
}

// Stats returns a snapshot. It costs one lock and one reading of the clock and
// may be called at any time, also after Close.
func (q *Queue[T]) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	s := q.stats
	s.Items, s.Bytes, s.Closed = q.items, q.bytes, q.closed
	s.MaxItems, s.MaxBytes = q.maxItems, q.maxBytes
	s.PutsBlocked, s.PutsWaiting, s.PutBlockedTime = q.putWaits.waits, q.putWaits.blocked, q.putWaits.totalAt(now)
	s.GetsBlocked, s.GetsWaiting, s.GetBlockedTime = q.getWaits.waits, q.getWaits.blocked, q.getWaits.totalAt(now)
	s.Age, s.FullTime, s.EmptyTime = now.Sub(q.born), q.full.totalAt(now), q.empty.totalAt(now)
	return s
}
