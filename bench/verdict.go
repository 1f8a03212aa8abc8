package bench

import (
	"fmt"
	"slices"
	"strings"

	"example.com/handoff/bench/stat"
)

// conclude adds what follows from the figures.
func (r *Report) conclude() {
	r.Verdicts = r.verdicts()
	r.Losing = append(r.Losing, r.losing()...)
	r.Method.Notes = append(r.Method.Notes,
		fmt.Sprintf("A sample is the mean of back-to-back handoffs that take about %v, at least one; each round takes one of every strategy, and in each block of rounds every strategy is in every position once.", sampleTime),
		"Intervals are of 95 % confidence, by the sign test over rounds; ratios are taken within rounds.",
		"p50, p90 and p99 are of single handoffs; where one takes as long as a sample, of the samples.",
		"Only ratios within one run carry over to another time or machine.",
	)
}

// losing are the sizes at which a strategy in shared memory is separated as slower than the cheapest one through
// the kernel, which one would take otherwise.
func (r *Report) losing() (lost []Losing) {
	cheapest := map[int64]Result{}
	for _, x := range r.Results {
		if best, ok := cheapest[x.Bytes]; isStream(x.Strategy) && (!ok || x.MedianNS < best.MedianNS) {
			cheapest[x.Bytes] = x
		}
	}
	for _, x := range r.Results {
		best, ok := cheapest[x.Bytes]
		if !ok || !isShared(x.Strategy) {
			continue
		}
		if p := newPair(best, x); p.Verdict == string(stat.AFaster) {
			lost = append(lost, Losing{Strategy: x.Strategy, Than: best.Strategy, Bytes: x.Bytes, Ratio: digits(1 / p.Ratio)})
		}
	}
	return lost
}

// verdicts are the sentences below the table. Figures with errors get no advice.
func (r *Report) verdicts() []string {
	if err := r.err(); err != nil {
		return []string{fmt.Sprintf("Do not use these figures: %v.", err)}
	}
	if len(r.Results) == 0 {
		return []string{"Nothing was measured."}
	}
	said := []string{r.verdictBest() + "."}
	for _, c := range r.Crossovers {
		said = append(said, c.sentence())
	}
	for _, m := range r.Models {
		if m.wrong() {
			said = append(said, fmt.Sprintf("The model of %s is %s. Do not use it between the measured sizes.", m.Strategy, m.Verified))
		}
	}
	if s := r.verdictGoroutine(); s != "" {
		said = append(said, s+".")
	}
	busy := 0
	for _, x := range r.Results {
		if x.Busy != "" {
			busy++
		}
	}
	if busy > 0 {
		said = append(said, fmt.Sprintf("The machine was too busy for %d of %d rows: measure again when it is quiet.", busy, len(r.Results)))
	}
	return said
}

func (m Model) wrong() bool { return strings.HasPrefix(m.Verified, "wrong") }

// verdictBest compares the best process strategy at the largest size with
// gob-reused, or with the slowest where that was not measured.
func (r *Report) verdictBest() string {
	largest := r.Results[len(r.Results)-1].Bytes
	var at []Result // process strategies at that size, the fastest first
	for _, x := range r.Results {
		if x.Bytes == largest && x.Strategy != inProcess {
			at = append(at, x)
		}
	}
	what := "Adding up " + FormatSize(largest)
	if r.Payload.Touch == TouchEnds {
		what = "Reading both ends of " + FormatSize(largest)
	}
	if len(at) == 0 {
		ns, _ := r.median(inProcess, largest)
		return fmt.Sprintf("%s took %s in a goroutine, and no process was measured", what, stat.Time(ns))
	}
	slices.SortStableFunc(at, func(a, b Result) int {
		if a.MedianNS < b.MedianNS {
			return -1
		}
		return 1
	})
	best, than := at[0], at[len(at)-1]
	for _, x := range at {
		if x.Strategy == gobReused {
			than = x
		}
	}
	s := fmt.Sprintf("%s in another process took %s by %s", what, stat.Time(best.MedianNS), best.Strategy)
	if best.Strategy != than.Strategy {
		s += fmt.Sprintf(", %s times less than by %s (%s)", humanRatio(than.MedianNS/best.MedianNS), than.Strategy, stat.Time(than.MedianNS))
	}
	return s
}

// verdictGoroutine says where no process can pay by its speed.
func (r *Report) verdictGoroutine() string {
	sizes, wins := 0, 0
	var last string
	for _, g := range r.Results {
		if g.Strategy != inProcess {
			continue
		}
		processes, slower := 0, 0
		for _, x := range r.Results {
			if x.Bytes == g.Bytes && x.Strategy != inProcess {
				processes++
				if x.MedianNS > g.MedianNS {
					slower++
				}
			}
		}
		if processes == 0 {
			return ""
		}
		sizes++
		if slower == processes {
			wins++
			last = fmt.Sprintf("%s at %s", stat.Time(g.MedianNS), FormatSize(g.Bytes))
		}
	}
	switch {
	case sizes == 0:
		return ""
	case wins == 0:
		return "A goroutine was not cheaper than the best of them"
	}
	return fmt.Sprintf("A goroutine of this process is cheaper than any of them at %d of %d sizes (%s): there a process pays by its isolation, not by speed", wins, sizes, last)
}

// sentence says what a crossover means for B.
func (c Crossover) sentence() string {
	s := c.B + " and " + c.A + " are not separated at any size"
	switch {
	case c.Bytes != nil:
		s = fmt.Sprintf("%s is faster than %s from %s on", c.B, c.A, stat.Size(*c.Bytes))
	case c.Always == "b":
		s = fmt.Sprintf("%s is faster than %s wherever they are separated", c.B, c.A)
	case c.Always == "a":
		s = fmt.Sprintf("%s is slower than %s wherever they are separated", c.B, c.A)
	}
	if c.Verified != "" {
		s += " (" + c.Verified + ")"
	}
	return s + "."
}

func humanRatio(x float64) string {
	if x >= 10 {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}
