package pipeline

import "time"

// A busyClock sums for how long each of any number of things has been under way, those
// that still are included.
type busyClock struct {
	active int
	total  time.Duration
	since  time.Time // when total was brought up to date
}

func (c *busyClock) enter(now time.Time) {
	c.total, c.since = c.at(now), now
	c.active++
}

func (c *busyClock) leave(now time.Time) {
	c.total, c.since = c.at(now), now
	c.active--
}

func (c *busyClock) at(now time.Time) time.Duration {
	return c.total + time.Duration(c.active)*now.Sub(c.since)
}
