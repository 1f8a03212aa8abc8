package bench

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"example.com/handoff/bench/stat"
)

// A finding is what a report says first: what was measured, from which size on shared memory
// wins, how sure that is, what it saves and what follows.
type finding struct {
	Headline    string
	Measured    string // what was measured, on what
	Doubt       string // why not to rely on it
	Sure, Saves string
	From, Todo  []string // sentences
}

// finding is drawn from the first crossover of the pair that matters most.
func (r *Report) finding() finding {
	if err := r.err(); err != nil {
		return finding{Headline: "Do not use these figures.", Sure: sentence(strings.TrimPrefix(err.Error(), "bench: "))}
	}
	if len(r.Results) == 0 {
		return finding{Headline: "Nothing was measured."}
	}
	a := finding{Measured: r.measured(), Doubt: r.doubt(), Todo: append(r.adviceSentences(), r.todo()...)}
	for _, c := range r.Crossovers {
		a.From = append(a.From, c.plain())
	}
	c, more := r.firstCrossover()
	if c == nil {
		a.Headline, a.Sure = "What handing over "+r.Payload.plural()+" costs", r.sure(nil)
		a.From = []string{"No two strategies were compared over all sizes."}
		return a
	}
	a.Headline, a.Sure, a.Saves = r.headline(c, more), r.sure(c), r.saves(c)
	return a
}

// headline says who wins, of the pair of c. More tells that the pair crosses again.
func (r *Report) headline(c *Crossover, more bool) string {
	of := r.Payload.plural()
	winner, loser := sideName(c.B), sideName(c.A)
	switch {
	case c.Bytes != nil && more:
		return fmt.Sprintf("%s and %s win in turn for %s.", capital(winner), loser, of)
	case c.Bytes != nil && c.Low != nil && c.High != nil && c.Verified != "" && c.Verified != confirmed:
		what, _, _ := strings.Cut(c.Verified, ":")
		return fmt.Sprintf("%s overtakes %s for %s somewhere between %s and %s. Measured afresh, that was %s.", capital(winner), loser, of, stat.Size(*c.Low), stat.Size(*c.High), what)
	case c.Bytes != nil:
		return fmt.Sprintf("From %s on, %s is faster than %s for %s.", stat.Size(*c.Bytes), winner, loser, of)
	case c.Always == "b":
		return fmt.Sprintf("%s is faster than %s for %s wherever they are separated.", capital(winner), loser, of)
	case c.Always == "a":
		return fmt.Sprintf("%s is faster than %s for %s wherever they are separated.", capital(loser), winner, of)
	}
	return fmt.Sprintf("Neither %s nor %s is the faster one for %s.", winner, loser, of)
}

const confirmed = "confirmed"

// plain says where a pair crosses, in one sentence.
func (c Crossover) plain() string {
	switch {
	case c.Bytes != nil && c.Low != nil && c.High != nil:
		return fmt.Sprintf("%s is faster up to %s, %s from %s on; in between they are not separated.", c.A, stat.Size(*c.Low), c.B, stat.Size(*c.High))
	case c.Bytes != nil:
		return fmt.Sprintf("%s overtakes %s at %s.", c.B, c.A, stat.Size(*c.Bytes))
	case c.Always == "b":
		return fmt.Sprintf("%s is faster than %s at every size at which they are separated.", c.B, c.A)
	case c.Always == "a":
		return fmt.Sprintf("%s is faster than %s at every size at which they are separated.", c.A, c.B)
	}
	return fmt.Sprintf("%s and %s are not separated, or the faster one changes without a size that could be named.", c.A, c.B)
}

// plural is the payload in prose.
func (p PayloadInfo) plural() string {
	switch {
	case p.DType != "":
		return p.DType + " arrays"
	case p.Name == "":
		return "this payload"
	}
	return p.Name
}

// reads is what the receiver does with the value.
func (t Touch) reads() string {
	switch t {
	case TouchEnds:
		return "reads the ends of every slice"
	case TouchFunc:
		return "runs the user's function"
	}
	return "reads every element"
}

// measured says what was measured, on what.
func (r *Report) measured() string {
	sizes := r.sizes()
	span := sizeText(sizes[0])
	if len(sizes) > 1 {
		span += " to " + sizeText(sizes[len(sizes)-1])
	}
	on := "this machine"
	if r.Machine.CPU != "" {
		on = fmt.Sprintf("one machine (%s, %d cores)", r.Machine.CPU, r.Machine.Cores)
	}
	return fmt.Sprintf("Time to hand one value to another process on %s that %s and answers: %s of %s, %d ways to do it, measured in turn. Their names are explained below the picture.",
		on, r.Payload.Touch.reads(), span, r.Payload.plural(), len(r.strategies()))
}

// busyRows is for how many figures the machine was too busy.
func (r *Report) busyRows() (busy int) {
	for _, x := range r.Results {
		if x.Busy != "" {
			busy++
		}
	}
	return busy
}

// doubt says that the machine was too busy; "" if it was not.
func (r *Report) doubt() string {
	busy := r.busyRows()
	switch {
	case busy == 0:
		return ""
	case busy == len(r.Results):
		return fmt.Sprintf("The machine was too busy for all %d figures. Measure again when it is quiet.", busy)
	}
	return fmt.Sprintf("The machine was too busy for %d of %d figures: they are marked.", busy, len(r.Results))
}

// crossoverOrder is which strategies' crossover with gob answers the question, the first
// that was searched.
var crossoverOrder = []string{"shm-fresh", "shm-copy", "shared", "shm-resident", "value"}

// firstCrossover is nil if no pair was compared. More tells that its pair has others.
func (r *Report) firstCrossover() (c *Crossover, more bool) {
	pair := func(x Crossover, a, b string) bool { return x.A == a && x.B == b || x.A == b && x.B == a }
	at := -1
	for _, b := range crossoverOrder {
		if at < 0 {
			at = slices.IndexFunc(r.Crossovers, func(x Crossover) bool { return pair(x, gobReused, b) })
		}
	}
	if at < 0 && len(r.Crossovers) > 0 {
		at = 0
	}
	if at < 0 {
		return nil, false
	}
	c = &r.Crossovers[at]
	return c, slices.ContainsFunc(r.Crossovers[at+1:], func(x Crossover) bool { return pair(x, c.A, c.B) })
}

// sure says how far the answer can be trusted. c may be nil.
func (r *Report) sure(c *Crossover) string {
	var parts []string
	if r.Method.Confidence > 0 {
		parts = append(parts, "All intervals are of "+percent(r.Method.Confidence)+".")
	}
	if c == nil {
		return strings.Join(parts, " ")
	}
	pair := fmt.Sprintf("%s against %s", c.A, c.B)
	if c.Verified == "" {
		return strings.Join(append(parts, pair+" was not measured a second time."), " ")
	}
	return strings.Join(append(parts, fmt.Sprintf("Measured afresh, %s was %s.", pair, c.Verified)), " ")
}

// saves compares the pair at the largest size at which both were measured.
func (r *Report) saves(c *Crossover) string {
	for _, x := range slices.Backward(r.Results) {
		if x.Strategy != c.B {
			continue
		}
		before, ok := r.median(c.A, x.Bytes)
		if !ok || !(before > 0) || !(x.MedianNS > 0) {
			continue
		}
		size := sizeText(x.Bytes)
		if x.MedianNS >= before {
			return fmt.Sprintf("Nothing at %s, the largest size: %s takes %s there, %s %s.", size, c.B, stat.Time(x.MedianNS), c.A, stat.Time(before))
		}
		return fmt.Sprintf("%s of each handoff of %s: %s by %s, %s by %s, %s times less.", stat.Time(before-x.MedianNS), size,
			stat.Time(before), c.A, stat.Time(x.MedianNS), c.B, humanRatio(before/x.MedianNS))
	}
	return ""
}

// sideName is what a strategy stands for, in prose.
func sideName(strategy string) string {
	switch strategy {
	case gobFresh, gobReused:
		return "gob"
	case shmFresh:
		return "a new shared-memory segment"
	case shmCopy:
		return "a copy into shared memory"
	case shmResident:
		return "an array in shared memory"
	case sharedOnce:
		return "a value shared once"
	case valued:
		return "a value as argument"
	case inProcess:
		return "a goroutine"
	}
	return strategy
}

func capital(s string) string {
	if s == "" || strings.HasPrefix(s, "gob") {
		return s // a name
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// sentence is a clause with a capital and a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	return capital(strings.TrimSuffix(s, ".")) + "."
}

// sizeText is an exact size in prose: "64 KiB".
func sizeText(bytes int64) string {
	s := FormatSize(bytes)
	unit := strings.IndexFunc(s, unicode.IsLetter)
	return s[:unit] + " " + s[unit:]
}

// percent is a round share in prose: "95 %".
func percent(share float64) string { return strconv.FormatFloat(100*share, 'g', 4, 64) + " %" }
