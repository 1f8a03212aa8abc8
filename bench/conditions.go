package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/handoff/bench/internal/cores"
	"example.com/handoff/bench/stat"
)

// conditions are those of a strategy's rounds: with the canary of each round, and the share
// of the time that was stolen meanwhile.
func (s *sampler) conditions(canaries []float64, stolen *float64) Conditions {
	c := Conditions{Stolen: stolen}
	var why []string
	if len(canaries) > 0 {
		c.CanaryNS = known(stat.Median(canaries))
		if usual := slices.Min(canaries); *c.CanaryNS > canaryRange*usual {
			why = append(why, fmt.Sprintf("the canary took %s, at best %s", stat.Time(*c.CanaryNS), stat.Time(usual)))
		}
	}
	if x := s.spent; !x.unknown && x.wall > 0 {
		processes := 1
		if s.c.pid() != 0 {
			processes = 2
		}
		share := digits(float64(x.sender.Waiting+x.receiver.Waiting) / float64(x.wall) / float64(processes))
		if c.Waiting = &share; share > mostWaiting {
			why = append(why, fmt.Sprintf("its processes waited for a core for %s of the time", stat.Percent(share)))
		}
		for _, place := range []string{cores.SameCore, cores.SameCache, cores.Other} {
			if n := x.placements[place]; n > x.placements[c.Placement] {
				c.Placement = place
			}
		}
	}
	if stolen != nil && *stolen > mostWaiting {
		why = append(why, fmt.Sprintf("the hypervisor took %s of the time", stat.Percent(*stolen)))
	}
	c.Busy = strings.Join(why, "; ")
	return c
}

const (
	mostWaiting = 0.05 // of the time
	canaryRange = 2
)

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
