package classify

import (
	"slices"
	"time"

	"example.com/handoff/bench/cost"
)

// A Price is the time that handing one call over adds to it.
type Price struct {
	Route Route         `json:"route"`
	Way   cost.Way      `json:"way,omitempty"` // to a process; "" for routes within this one
	Time  time.Duration `json:"ns"`
	Share float64       `json:"share"` // of the wall time of one call; 1 is as much again
}

// prices lists what was measured: the routes, and of a process the ways that this payload
// can take, the cheapest first.
func prices(advice cost.Advice, costs *cost.Costs, wall time.Duration) (all []Price) {
	add := func(r Route, w cost.Way, ns float64) {
		all = append(all, Price{r, w, time.Duration(ns), ns / float64(wall)})
	}
	if ns, ok := advice.Price(cost.Goroutine); ok {
		add(RouteGoroutine, "", ns)
	}
	for _, p := range advice.Prices {
		if p.Way != cost.Goroutine && (p.Excluded == "" || p.Way == cost.Gob) {
			add(RouteProcess, p.Way, p.NS)
		}
	}
	if costs != nil {
		if ns, ok := costs.Split.NS(0); ok {
			add(RouteSplit, "", ns)
		}
	}
	return all
}

// priceOf is the price of a route, by the way that is advised.
func priceOf(all []Price, r Route, advised cost.Way) (Price, bool) {
	i := slices.IndexFunc(all, func(p Price) bool { return p.Route == r && (r != RouteProcess || p.Way == advised) })
	if i < 0 {
		return Price{}, false
	}
	return all[i], true
}
