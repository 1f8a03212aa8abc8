package cost

import (
	"cmp"
	"slices"
	"time"
)

// A Way is how the payload of a task gets to where the task runs.
type Way string

// The ways. Gob is what one would use without this module: it is what savings are told against, and never
// advised.
const (
	Goroutine Way = "goroutine" // it stays in this process
	InPlace   Way = "in-place"  // it is made in shared memory: a View, an Array, an Arrow record
	Shared    Way = "shared"    // it is put into shared memory once, for any number of tasks
	ByValue   Way = "value"     // one copy in and one copy out for each task
	Gob       Way = "gob"       // over a pipe
)

// Of equal ones the first is taken: what is shared for one task alone costs what it does by value.
var ways = []Way{Goroutine, InPlace, ByValue, Shared, Gob}

// words are the way in a sentence.
func (w Way) words() string {
	switch w {
	case Goroutine:
		return "in a goroutine"
	case InPlace:
		return "in place (shm.View, shm.Array or an Arrow record)"
	case Shared:
		return "shared (pool.Share)"
	case ByValue:
		return "by value"
	}
	return "by gob over a pipe"
}

// Costs is what handing over costs on one machine: plain data, filled by whoever measures it, such as
// Calibrate of package bench, whose payload is an array of float64, or [FromPoints]. What is
// nil or 0 was not measured. Nothing in this package changes it.
type Costs struct {
	Goroutine Curve `json:"goroutine"` // over a channel to a goroutine, and its answer
	Split     Curve `json:"split"`     // through a queue from one goroutine to another

	// A task to a worker process that has just had another one, and its answer.
	Ref    Curve `json:"ref"`    // its payload is in shared memory already
	Shared Curve `json:"shared"` // its payload was shared before; nil: as Ref
	Copy   Curve `json:"copy"`   // its payload is copied into shared memory first
	Value  Curve `json:"value"`  // by value
	Pipe   Curve `json:"pipe"`   // by gob over a pipe

	// Gob is the encoding and decoding alone, one encoder and decoder for all
	// values; GobFresh is with new ones for each, which send the types again.
	Gob      Curve `json:"gob"`
	GobFresh Curve `json:"gob_fresh"`

	// WakeNS is what a task costs more when the worker sleeps, StartNS what a pool
	// of one worker costs until that has answered.
	WakeNS  float64 `json:"wake_ns"`
	StartNS float64 `json:"start_ns"`

	MeasuredAt time.Time `json:"measured_at"`
}

// FromPoints are the costs of the payload whose handoffs were measured, by the names of the
// strategies of package bench. Other names are left out; of two points of one size the first one
// counts.
func FromPoints(points []Point) Costs {
	var c Costs
	for _, p := range points {
		var to *Curve
		switch p.Strategy {
		case "goroutine":
			to = &c.Goroutine
		case "shm-resident":
			to = &c.Ref
		case "shared":
			to = &c.Shared
		case "shm-copy":
			to = &c.Copy
		case "value":
			to = &c.Value
		case "gob-reused":
			to = &c.Pipe
		default:
			continue
		}
		bySize := func(a At, bytes int64) int { return cmp.Compare(a.Bytes, bytes) }
		if i, found := slices.BinarySearchFunc(*to, p.Bytes, bySize); !found {
			*to = slices.Insert(*to, i, At{p.Bytes, p.NS})
		}
	}
	return c
}

// ref is the price of what is in shared memory already. It is never above that of copying it there
// first: where it was measured so that is noise.
func (c *Costs) ref(bytes int64) (float64, bool) {
	ns, ok := c.Ref.NS(bytes)
	if copied, known := c.Copy.NS(bytes); known {
		ns = min(ns, copied)
	}
	return ns, ok
}

// shared is the price of what was shared before.
func (c *Costs) shared(bytes int64) (float64, bool) {
	if c.Shared == nil {
		return c.ref(bytes)
	}
	return c.Shared.NS(bytes)
}

// put is what copying a payload into shared memory costs, without handing it over.
func (c *Costs) put(bytes int64) (float64, bool) {
	ns, ok := c.Copy.NS(bytes)
	if !ok {
		ns, ok = c.Value.NS(bytes) // which has this copy in it
	}
	handedOver, known := c.ref(bytes)
	if !known {
		handedOver, known = c.shared(bytes)
	}
	return max(0, ns-handedOver), ok && known
}

// NS is what handing one task's payload over costs by this way, in nanoseconds; false if it was not
// measured.
func (c *Costs) NS(w Way, t Task) (float64, bool) {
	whole := t.bytes()
	switch w {
	case Goroutine:
		return c.Goroutine.NS(whole)
	case InPlace:
		ns, ok := c.ref(t.RefBytes)
		if t.ValueBytes == 0 || t.InPlace {
			return ns, ok
		}
		put, known := c.put(t.ValueBytes)
		return ns + put, ok && known
	case Shared:
		put, known := c.put(whole)
		ns, ok := c.shared(whole)
		return ns + put/float64(max(1, t.TasksPerValue)), ok && known
	case ByValue:
		return c.Value.NS(whole)
	}
	return c.pipe(t)
}

// pipe is gob over a pipe, with the time that gob takes for this very payload if that was
// measured.
func (c *Costs) pipe(t Task) (float64, bool) {
	ns, ok := c.Pipe.NS(t.bytes())
	if gob, known := c.Gob.NS(t.bytes()); known && t.Gob > 0 {
		ns = max(float64(t.Gob), ns-gob+float64(t.Gob))
	}
	return ns, ok
}

// gob is the time to serialize and deserialize a payload.
func (c *Costs) gob(t Task) (float64, bool) {
	if t.Gob > 0 {
		return float64(t.Gob), true
	}
	if ns, ok := c.Gob.NS(t.bytes()); ok {
		return ns, true
	}
	return c.Pipe.NS(t.bytes())
}
