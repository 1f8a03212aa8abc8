package bench

import (
	"time"

	"example.com/handoff/bench/internal/cores"
	"example.com/handoff/bench/stat"
)

// conditions are those of a strategy's rounds: with the canary of each round, its range on
// a quiet machine, and the share of the time that was stolen meanwhile.
func (s *sampler) conditions(canaries []float64, usual stat.Range, stolen *float64) Conditions {
	c := Conditions{Stolen: stolen}
	l := stat.Load{CanaryRange: usual}
	if stolen != nil {
		l.Stolen = *stolen
	}
	if len(canaries) > 0 {
		l.Canary = stat.Median(canaries)
		c.CanaryNS = known(l.Canary)
	}
	if x := s.spent; !x.unknown && x.wall > 0 {
		processes := 1
		if s.c.pid() != 0 {
			processes = 2
		}
		l.Waiting = digits(float64(x.sender.Waiting+x.receiver.Waiting) / float64(x.wall) / float64(processes))
		c.Waiting = &l.Waiting
		for _, place := range []string{cores.SameCore, cores.SameCache, cores.Other} {
			if n := x.placements[place]; n > x.placements[c.Placement] {
				c.Placement = place
			}
		}
	}
	c.Busy = l.TooBusy()
	return c
}

// stealing returns a function that returns the share of the cores' time that the
// hypervisor has taken since; nil where that is not known.
func stealing() (since func() *float64) {
	stolen, all, err := cores.Stolen()
	return func() *float64 {
		laterStolen, laterAll, failed := cores.Stolen()
		if err != nil || failed != nil || laterAll <= all {
			return nil
		}
		share := digits(float64(laterStolen-stolen) / float64(laterAll-all))
		return &share
	}
}

// spin keeps the core busy.
func spin(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
	}
}
