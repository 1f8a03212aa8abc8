package bench

import (
	"cmp"
	"time"

	"example.com/handoff/bench/cost"
)

// jobTasks is how many tasks a job has if nobody says.
const jobTasks = 1000

// advise adds, for each size that was measured, what follows for a task that computes for so long.
func (r *Report) advise(o Options) {
	if o.Compute == 0 {
		return
	}
	var points []cost.Point
	for _, x := range r.Results {
		points = append(points, cost.Point{Strategy: x.Strategy, Bytes: x.Bytes, NS: x.MedianNS})
	}
	costs := cost.FromPoints(points)
	for i, x := range r.Results {
		if i > 0 && x.Bytes == r.Results[i-1].Bytes {
			continue
		}
		t := cost.Task{ValueBytes: x.Bytes, Compute: o.Compute, Isolated: o.Isolated, InPlace: o.payload.columns != nil, Tasks: cmp.Or(o.Tasks, jobTasks)}
		// The share is that of encoding and decoding alone, as package classify measures it: the
		// strategies over a pipe have its copies and wake-ups in them. What gob refuses has none.
		if ns, err := measureGob(o.payload, gobReused, x.N, x.Bytes, int(min(5, 1+16<<20/x.Bytes))); err == nil {
			t.Gob = time.Duration(ns)
		}
		r.Advice = append(r.Advice, cost.Advise(&costs, t))
	}
}

// adviceSentences are the advice for the largest size; none if there is none.
func (r *Report) adviceSentences() (sentences []string) {
	if len(r.Advice) == 0 {
		return nil
	}
	a := r.Advice[len(r.Advice)-1]
	for _, clause := range []string{a.Rule(), a.Cheapest(), a.Saving()} {
		if clause != "" {
			sentences = append(sentences, sentence(clause))
		}
	}
	return sentences
}
