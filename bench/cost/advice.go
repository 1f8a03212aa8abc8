package cost

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"example.com/handoff/bench/stat"
)

// MostShare is the part of its computing that a stage may spend on serializing: the 15 % rule.
const MostShare = 0.15

// A Task is what is known of a task that is handed a payload.
type Task struct {
	// ValueBytes cross by value now, arguments and results; RefBytes are in shared memory
	// already.
	ValueBytes int64 `json:"value_bytes"`
	RefBytes   int64 `json:"ref_bytes"`
	// Compute is how long the task computes. 0: unknown, and the rule says nothing.
	Compute time.Duration `json:"compute_ns"`
	// Gob is how long gob takes to encode and decode the payload, one encoder for all
	// values. 0: as the Costs price it.
	Gob time.Duration `json:"gob_ns"`

	Tasks         int `json:"tasks"`           // in a job; 0: unknown
	TasksPerValue int `json:"tasks_per_value"` // that are handed the same value; 0 and 1: each has its own

	// What is asked for.
	Isolated bool `json:"isolated"` // a process of its own: a goroutine is not enough
	Writes   bool `json:"writes"`   // it writes to what it is handed: memory that is mapped read-only is not enough
	// InPlace: the type can be made in shared memory, all of it, because its bytes are in arrays of
	// numbers. Other types can't, but for their RefBytes.
	InPlace bool `json:"in_place"`
}

func (t Task) bytes() int64 { return t.ValueBytes + t.RefBytes }

// excluded says why a way is not among those that were asked for; "" if it is.
func (t Task) excluded(w Way) string {
	switch {
	case w == Gob:
		return "for comparison only"
	case w == Goroutine && t.Isolated:
		return "a goroutine is not isolated"
	case (w == InPlace || w == Shared) && t.bytes() == 0:
		return "there is nothing to put into shared memory"
	case (w == InPlace || w == Shared) && t.Writes:
		return "the task writes to it, and it is mapped read-only"
	case w == InPlace && !t.InPlace && t.RefBytes == 0:
		return "this type can't be made in shared memory"
	case w == Shared && t.RefBytes > t.ValueBytes:
		return "it is in shared memory already"
	}
	return ""
}

// Advice is what follows from prices for a task. Times are nanoseconds for one task, but where they say
// otherwise.
type Advice struct {
	Task Task `json:"task"`
	// GobNS is what gob takes for the payload; 0 if unknown. Share is what part of Compute
	// that is, and OverMost says that it is more than MostShare: the payload should not be
	// serialized for each task.
	GobNS    float64 `json:"gob_ns"`
	Share    float64 `json:"share"`
	OverMost bool    `json:"over_most"`
	// Prices are those that were measured, the cheapest first.
	Prices []Price `json:"prices"`
	// Best is the cheapest way of those that were asked for, BestProcess the cheapest of those to a
	// process. "" if nothing was measured.
	Best        Way `json:"best"`
	BestProcess Way `json:"best_process"`
	// What Best saves against gob over a pipe; negative if it costs more. 0 if unknown.
	SavedPerTaskNS float64 `json:"saved_per_task_ns"`
	SavedPerJobNS  float64 `json:"saved_per_job_ns"`
}

// A Price is what handing one task's payload over costs by a way.
type Price struct {
	Way      Way     `json:"way"`
	NS       float64 `json:"ns"`
	Excluded string  `json:"excluded"` // why it is not among those that were asked for; "" if it is
}

// Advise prices every way and picks the cheapest of those that were asked for. A way that was not measured is
// left out. nil costs know nothing.
func Advise(c *Costs, t Task) Advice {
	if c == nil {
		c = &Costs{}
	}
	t.ValueBytes, t.RefBytes = max(0, t.ValueBytes), max(0, t.RefBytes)
	a := Advice{Task: t, Prices: []Price{}}
	if a.Task.bytes() > 0 {
		a.GobNS, _ = c.gob(t)
	}
	if t.Compute > 0 {
		a.Share = a.GobNS / float64(t.Compute)
	}
	a.OverMost = a.Share > MostShare
	for _, w := range ways {
		if ns, ok := c.NS(w, t); ok {
			a.Prices = append(a.Prices, Price{w, ns, t.excluded(w)})
		}
	}
	slices.SortStableFunc(a.Prices, func(x, y Price) int { return cmp.Compare(x.NS, y.NS) })
	for _, p := range slices.Backward(a.Prices) {
		if p.Excluded != "" {
			continue
		}
		if a.Best = p.Way; p.Way != Goroutine {
			a.BestProcess = p.Way
		}
	}
	best, known := a.Price(a.Best)
	if gob, ok := a.Price(Gob); ok && known {
		a.SavedPerTaskNS = gob - best
		a.SavedPerJobNS = a.SavedPerTaskNS * float64(max(0, t.Tasks))
	}
	return a
}

// Price is that of one way; false if it was not measured.
func (a Advice) Price(w Way) (ns float64, ok bool) {
	i := slices.IndexFunc(a.Prices, func(p Price) bool { return p.Way == w })
	if i < 0 {
		return 0, false
	}
	return a.Prices[i].NS, true
}

// String is the advice in sentences for people.
func (a Advice) String() string {
	text := ""
	for _, clause := range []string{a.Rule(), a.Cheapest(), a.Saving()} {
		if clause != "" {
			text += "; " + clause
		}
	}
	if text == "" {
		return "nothing was measured that advice could follow from."
	}
	return text[len("; "):] + "."
}

// Rule is the verdict of the 15 % rule, as a clause; "" if too little is known for one.
func (a Advice) Rule() string {
	if a.GobNS <= 0 || a.Task.Compute <= 0 {
		return ""
	}
	figures := fmt.Sprintf("gob of %s takes %s, %s that a task computes", stat.Size(a.Task.bytes()), stat.Time(a.GobNS),
		stat.PartOf(a.Share, stat.Time(float64(a.Task.Compute))))
	if a.OverMost {
		figures += fmt.Sprintf(" and more than %.0f %%: it should not be serialized for each task", 100*MostShare)
		if a.BestProcess == "" { // no prices
			possible := slices.DeleteFunc([]Way{InPlace, Shared, ByValue}, func(w Way) bool { return a.Task.excluded(w) != "" })
			figures += ", but be handed to a process " + possible[0].words()
		}
		return figures
	}
	return figures + fmt.Sprintf(" and not more than %.0f %%", 100*MostShare)
}

// Cheapest names the cheapest ways, as a clause; "" if there is none.
func (a Advice) Cheapest() string {
	best, ok := a.Price(a.Best)
	if !ok {
		return ""
	}
	text := fmt.Sprintf("the cheapest way is %s, %s a task", a.Best.words(), stat.Time(best))
	if process, ok := a.Price(a.BestProcess); ok && a.Best == Goroutine {
		text += fmt.Sprintf(", and to a process %s, %s", a.BestProcess.words(), stat.Time(process))
	}
	return text
}

// Saving says what the cheapest way saves, as a clause; "" if that is unknown.
func (a Advice) Saving() string {
	if a.SavedPerTaskNS == 0 {
		return ""
	}
	word, sign := "saves", 1.0
	if a.SavedPerTaskNS < 0 {
		word, sign = "costs more than gob over a pipe:", -1
	}
	text := fmt.Sprintf("it %s %s a task", word, stat.Time(sign*a.SavedPerTaskNS))
	if sign > 0 {
		text += " against gob over a pipe"
	}
	if a.Task.Tasks > 1 {
		text += fmt.Sprintf(", %s in a job of %d tasks", stat.Time(sign*a.SavedPerJobNS), a.Task.Tasks)
	}
	return text
}
