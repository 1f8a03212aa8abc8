package classify

import (
	"math"
	"time"
)

// A RouteCost is the price of handing one call over: FixedNs nanoseconds plus
// NsPerByte for each byte of payload. A cost that is zero in both, negative or
// not a finite number counts as not measured.
type RouteCost struct {
	FixedNs   float64 `json:"fixed_ns"`
	NsPerByte float64 `json:"ns_per_byte"`
}

// ns is the cost of so many bytes, or false if it was not measured.
func (c RouteCost) ns(bytes int64) (float64, bool) {
	ns := c.FixedNs + c.NsPerByte*float64(bytes)
	return ns, c != RouteCost{} && c.FixedNs >= 0 && c.NsPerByte >= 0 && !math.IsInf(ns, 0)
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

// The ways of a payload to another process.
const (
	wayRef  = "ref"
	wayCopy = "copy"
	wayGob  = "gob"
)

// A Price is what handing one call over costs.
type Price struct {
	Route Route `json:"route"`
	// Way is how the payload goes to a process: "ref" for arrays that are in shared
	// memory already, "copy" for one copy into it, "gob". "" for the other routes.
	Way   string  `json:"way,omitempty"`
	Ns    float64 `json:"ns"`
	Share float64 `json:"share"` // of the wall time of one call; 1 is as much again
}

// prices lists what was measured, the cheapest kind of a route first. bytes go by
// value, refBytes are in shared memory already.
func (c *Costs) prices(bytes, refBytes int64, wallS float64) (all []Price) {
	if c == nil {
		return nil
	}
	add := func(r Route, way string, ns float64, known bool) {
		if known {
			all = append(all, Price{r, way, ns, ns / 1e9 / wallS})
		}
	}
	ns, ok := c.Goroutine.ns(bytes + refBytes)
	add(RouteGoroutine, "", ns, ok)
	ns, ok = c.ProcessRef.ns(0) // what is by value is copied
	if bytes > 0 {
		_, copied := c.Process.ns(0)
		ns, ok = ns+c.Process.NsPerByte*float64(bytes), ok && copied
	}
	add(RouteProcess, wayRef, ns, ok)
	ns, ok = c.Process.ns(bytes + refBytes)
	add(RouteProcess, wayCopy, ns, ok)
	ns, ok = c.ProcessGob.ns(bytes + refBytes)
	add(RouteProcess, wayGob, ns, ok)
	ns, ok = c.Split.ns(bytes + refBytes)
	add(RouteSplit, "", ns, ok)
	return all
}

// price is that of the route: of a process by Ref if there is anything in shared
// memory, else by one copy.
func (c *Costs) price(r Route, bytes, refBytes int64, wallS float64) (Price, bool) {
	way := ""
	if r == RouteProcess {
		way = wayCopy
		if refBytes > 0 {
			way = wayRef
		}
	}
	for _, p := range c.prices(bytes, refBytes, wallS) {
		if p.Route == r && p.Way == way {
			return p, true
		}
	}
	return Price{}, false
}
