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
	largest := r.Results[len(r.Results)-1].Bytes
	t := cost.Task{ValueBytes: largest, Compute: o.Compute, Isolated: true, InPlace: o.payload.columns != nil}
	if x, ok := r.result(gobReused, largest); ok {
		t.Gob = time.Duration(x.MedianNS)
	}
	a := cost.Advise(&costs, t)
	r.Advice = &a
}
