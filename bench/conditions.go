package bench

import (
	"time"

	"example.com/handoff/bench/internal/cores"
	"example.com/handoff/bench/stat"
)

// conditions are those of a strategy's rounds: with the canary of each round, its range on
// a quiet machine, and what others took of the cores meanwhile.
func (s *sampler) conditions(canaries []float64, usual stat.Range, taken taken) Conditions {
	c := Conditions{Others: taken.others, Stolen: taken.stolen}
	l := stat.Load{CanaryRange: usual}
	if taken.others != nil {
		l.Others, l.Stolen = *taken.others, *taken.stolen
	}
	if len(canaries) > 0 {
		l.Canary = stat.Median(canaries)
		c.CanaryNS = known(l.Canary)
	}
	for _, place := range []string{cores.SameCore, cores.SameCache, cores.Other} {
		if n := s.spent.placements[place]; n > s.spent.placements[c.Placement] {
			c.Placement = place
		}
	}
	c.Busy = l.TooBusy()
	return c
}

// taken is what others took of the cores, as shares of their time; nil where that is not
// known. others is what processes took that are not measured, and stolen the hypervisor.
// That the measured processes wait for a core says nothing of others: theirs wait for one
// another, on a quiet machine of two cores for 15 to 65 % of the time.
type taken struct{ others, stolen *float64 }

// taking returns a function that says what was taken from this process and some others
// since.
func taking(pids []int) (since func() taken) {
	read := func() (u cores.Usage, own int64, err error) {
		for _, pid := range pids {
			l, err := cores.LoadOf(pid)
			if err != nil {
				return u, 0, err
			}
			own += l.CPU
		}
		u, err = cores.UsageOfCores()
		return u, own, err
	}
	before, ownBefore, err := read()
	return func() taken {
		now, own, failed := read()
		all := float64(now.All - before.All)
		if err != nil || failed != nil || all <= 0 {
			return taken{}
		}
		others := digits(max(0, float64(now.Busy-before.Busy-(own-ownBefore))) / all)
		stolen := digits(float64(now.Stolen-before.Stolen) / all)
		return taken{&others, &stolen}
	}
}

// spin keeps the core busy.
func spin(d time.Duration) {
	for start := time.Now(); time.Since(start) < d; {
	}
}
