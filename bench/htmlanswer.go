package bench

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"example.com/handoff/bench/stat"
)

// A finding is what a report says first: from which size on shared memory wins, how sure
// that is and what it saves.
type finding struct {
	Headline          string
	From, Sure, Saves string // "" where there is nothing to say
}

// finding is drawn from the first crossover of the pair that matters most.
func (r *Report) finding() finding {
	of := r.Payload.Name
	if of == "" {
		of = "this payload"
	}
	if err := r.err(); err != nil {
		return finding{Headline: "Do not use these figures.", Sure: sentence(strings.TrimPrefix(err.Error(), "bench: "))}
	}
	if len(r.Results) == 0 {
		return finding{Headline: "Nothing was measured."}
	}
	c, more := r.firstCrossover()
	if c == nil {
		return finding{Headline: "What handing over " + of + " costs", Sure: r.sure(nil),
			From: "No two strategies were compared over all sizes."}
	}
	a := finding{Sure: r.sure(c), Saves: r.saves(c)}
	winner, loser := sideName(c.B), sideName(c.A)
	switch {
	case c.Bytes != nil && more:
		a.Headline = fmt.Sprintf("%s and %s win in turn for %s.", capital(winner), loser, of)
		a.From = fmt.Sprintf("%s and %s cross more than once, first at %s; the picture has all crossovers.", c.A, c.B, stat.Size(*c.Bytes))
	case c.Bytes != nil:
		a.Headline = fmt.Sprintf("From %s on, %s is faster than %s for %s.", stat.Size(*c.Bytes), winner, loser, of)
		a.From = fmt.Sprintf("There %s overtakes %s.", c.B, c.A)
		if c.Low != nil && c.High != nil {
			if c.Verified != "" && c.Verified != "confirmed" {
				a.Headline = fmt.Sprintf("From between %s and %s on, %s is faster than %s for %s, but measuring afresh did not confirm it.", stat.Size(*c.Low), stat.Size(*c.High), winner, loser, of)
			}
			a.From = fmt.Sprintf("%s is the faster one up to %s, %s from %s on. In between, neither is told from the other.", c.A, stat.Size(*c.Low), c.B, stat.Size(*c.High))
		}
	case c.Always == "b":
		a.Headline = fmt.Sprintf("%s is faster than %s for %s wherever they are told apart.", capital(winner), loser, of)
		a.From = r.nowhere(c.A)
	case c.Always == "a":
		a.Headline = fmt.Sprintf("%s is faster than %s for %s wherever they are told apart.", capital(loser), winner, of)
		a.From = r.nowhere(c.B)
	default:
		a.Headline = fmt.Sprintf("Neither %s nor %s is the faster one for %s.", winner, loser, of)
		a.From = fmt.Sprintf("%s and %s are not told apart, or the one that is faster changes without a size that could be named.", c.A, c.B)
	}
	return a
}

// nowhere says that a strategy does not win.
func (r *Report) nowhere(strategy string) string {
	return fmt.Sprintf("No size was found at which %s is the faster one, from %s to %s.", strategy, sizeText(r.Results[0].Bytes), sizeText(r.Results[len(r.Results)-1].Bytes))
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
	switch {
	case c == nil:
	case c.Verified == "":
		parts = append(parts, "It was not measured a second time.")
	case c.Verified == "confirmed":
		parts = append(parts, "Measured afresh, it was confirmed.")
	default:
		parts = append(parts, "Measured afresh, it was "+c.Verified+".")
	}
	busy := 0
	for _, x := range r.Results {
		if x.Busy != "" {
			busy++
		}
	}
	if busy > 0 {
		parts = append(parts, fmt.Sprintf("For %d of %d figures the machine was too busy.", busy, len(r.Results)))
	}
	return strings.Join(parts, " ")
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

// sideName is what a strategy stands for.
func sideName(strategy string) string {
	switch {
	case strings.HasPrefix(strategy, "gob-"):
		return "gob"
	case strings.HasPrefix(strategy, "shm-") || strategy == "shared":
		return "shared memory"
	case strategy == inProcess:
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
