package bench

import (
	"time"

	"example.com/handoff/bench/cost"
)

// advise adds what follows for a task that computes for so long on the largest payload that
// was measured.
func (r *Report) advise(o Options) {
	if o.Compute == 0 || len(r.Results) == 0 {
		return
	}
	var points []cost.Point
	for _, x := range r.Results {
		points = append(points, cost.Point{Strategy: x.Strategy, Bytes: x.Bytes, NS: x.MedianNS})
	}
	costs := cost.FromPoints(points)
	largest := r.Results[len(r.Results)-1]
	t := cost.Task{ValueBytes: largest.Bytes, Compute: o.Compute, Isolated: true, InPlace: o.payload.columns != nil}
	// The share is that of encoding and decoding alone, as package classify measures it: the
	// strategies over a pipe have its copies and wake-ups in them. What gob refuses has none.
	if ns, err := measureGob(o.payload, gobReused, largest.N, largest.Bytes, int(min(5, 1+16<<20/largest.Bytes))); err == nil {
		t.Gob = time.Duration(ns)
	}
	a := cost.Advise(&costs, t)
	r.Advice = &a
}
