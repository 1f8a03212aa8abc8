package classify

import (
	"math"
	"slices"
	"time"
)

// A RouteCost is the price of handing one call over: FixedNs nanoseconds plus
// NsPerByte for each byte of payload. A cost that is zero in both, negative or
// not a finite number counts as not measured.
type RouteCost struct {
	FixedNs   float64 `json:"fixed_ns"`
	NsPerByte float64 `json:"ns_per_byte"`
}

// time is the cost of so many bytes, or false if it was not measured.
func (c RouteCost) time(bytes int64) (time.Duration, bool) {
	ns := c.FixedNs + c.NsPerByte*float64(bytes)
	measured := c != RouteCost{} && c.FixedNs >= 0 && c.NsPerByte >= 0 // and is a number
	if !measured || ns > math.MaxInt64 {
		return 0, false
	}
	return time.Duration(ns), true
}

// Costs is what the routes cost on one machine: plain data, filled by whoever
// measures it, such as Calibrate of package bench. The functions that take one only
// read it, and keep it no longer than their call.
type Costs struct {
	Goroutine RouteCost `json:"goroutine"` // over a channel to a goroutine, and its answer
	Split     RouteCost `json:"split"`     // through a queue from one goroutine to another

	// A task to a worker process that has just had another one, and its answer.
	Process    RouteCost `json:"process"`     // the payload by one copy into shared memory
	ProcessRef RouteCost `json:"process_ref"` // the payload is there already: by its Ref
	ProcessGob RouteCost `json:"process_gob"` // the payload by gob over a pipe

	// Gob is the encoding and decoding alone, one encoder and decoder for all
	// values; GobFresh is with new ones for each, which send the types again.
	Gob      RouteCost `json:"gob"`
	GobFresh RouteCost `json:"gob_fresh"`

	// WakeNs is what a task costs more when the worker sleeps, StartNs what a pool
	// of one worker costs until that has answered. Nanoseconds; 0: not measured.
	WakeNs  float64 `json:"wake_ns"`
	StartNs float64 `json:"start_ns"`

	MeasuredAt time.Time `json:"measured_at"`
}

// A Way says whether a payload goes to another process by reference, by a copy or by gob.
type Way string

// The ways.
const (
	WayRef  Way = "ref"  // arrays that are in shared memory already
	WayCopy Way = "copy" // by one copy into shared memory
	WayGob  Way = "gob"
)

// A Price is the time that handing one call over adds to it.
type Price struct {
	Route Route         `json:"route"`
	Way   Way           `json:"way,omitempty"` // "" for routes within this process
	Time  time.Duration `json:"ns"`
	Share float64       `json:"share"` // of the wall time of one call; 1 is as much again
}

// prices lists what was measured, the cheapest kind of a route first. bytes go by
// value, refBytes are in shared memory already.
func (c *Costs) prices(bytes, refBytes int64, wall time.Duration) (all []Price) {
	if c == nil {
		return nil
	}
	byRef, copied := c.ProcessRef, true // what is by value is copied
	if bytes > 0 {
		_, copied = c.Process.time(0)
		byRef.NsPerByte = c.Process.NsPerByte
	}
	for _, p := range []struct {
		route    Route
		way      Way
		cost     RouteCost
		bytes    int64
		measured bool
	}{
		{RouteGoroutine, "", c.Goroutine, bytes + refBytes, true},
		{RouteProcess, WayRef, byRef, bytes, copied},
		{RouteProcess, WayCopy, c.Process, bytes + refBytes, true},
		{RouteProcess, WayGob, c.ProcessGob, bytes + refBytes, true},
		{RouteSplit, "", c.Split, bytes + refBytes, true},
	} {
		if d, ok := p.cost.time(p.bytes); ok && p.measured {
			all = append(all, Price{p.route, p.way, d, share(d, wall)})
		}
	}
	return all
}

// priceOf is the price of a route: of a process by Ref if there is anything in shared
// memory, else by one copy.
func priceOf(prices []Price, r Route, byRef bool) (Price, bool) {
	var way Way
	if r == RouteProcess {
		way = WayCopy
		if byRef {
			way = WayRef
		}
	}
	i := slices.IndexFunc(prices, func(p Price) bool { return p.Route == r && p.Way == way })
	if i < 0 {
		return Price{}, false
	}
	return prices[i], true
}
