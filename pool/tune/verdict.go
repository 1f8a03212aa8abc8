package tune

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// times is a gain for people: "1.9 ×".
func times(gain float64) string { return fmt.Sprintf("%.3g ×", gain) }

// bounds is a gain with its bounds: "1.9 × (1.8 to 2.0)".
func (c Comparison) bounds() string {
	return fmt.Sprintf("%s (%.3g to %.3g)", times(c.Gain), c.Low, c.High)
}

// of says what a width that did not pay does: "is no faster", "is slower".
func (c Comparison) of(width int) string {
	switch {
	case c.High < 1:
		return fmt.Sprintf("%d is slower", width)
	case c.Low > 1:
		return fmt.Sprintf("%d gains too little, %s", width, times(c.Gain))
	}
	return fmt.Sprintf("%d is no faster", width)
}

func stepWords(name string, from, to Widths) string {
	return fmt.Sprintf("%s from %d to %d", name, from[name], to[name])
}

// widened is the report on a bottleneck. The steps are from what it started with to the
// first that did not pay, if there was one.
func (t *tuner) widened(s Stage, start, best Widths, steps, alone []Comparison) {
	r := t.report
	r.Widths = best
	for _, c := range steps {
		if c.Verdict == Faster {
			r.Gain *= c.Gain
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s is the bottleneck: %d instead of %d make the whole job %s as fast", s.Name, 2*s.Width, s.Width, steps[0].bounds())
	b.WriteString(t.others(s.Name, alone))
	fmt.Fprintf(&b, ". Give it %d: %s as fast as %d; ", best[s.Name], times(r.Gain), s.Width)
	switch last := steps[len(steps)-1]; last.Verdict {
	case Faster:
		fmt.Fprintf(&b, "more than %d was not tried", best[s.Name])
	case NoFaster:
		cores := t.onCores(s, last.To[s.Name])
		b.WriteString(last.of(last.To[s.Name]) + cores)
		if len(t.stages) > 1 && cores == "" {
			b.WriteString(", something else is short by then")
		}
	default:
		fmt.Fprintf(&b, "whether %d is faster cannot be told from the noise: %s in %d rounds", last.To[s.Name], last.bounds(), last.Rounds)
	}
	r.Reason = b.String()
}

// others says what was seen of the stages that are not the bottleneck.
func (t *tuner) others(name string, alone []Comparison) string {
	by := map[Verdict][]string{}
	for i, s := range t.stages {
		if s.Name != name {
			by[alone[i].Verdict] = append(by[alone[i].Verdict], s.Name)
		}
	}
	text := ""
	if list := by[NoFaster]; len(list) > 0 {
		text += fmt.Sprintf(", doubling %s changes nothing", strings.Join(list, " or "))
	}
	if list := by[Faster]; len(list) > 0 {
		text += fmt.Sprintf(", doubling %s helps less", strings.Join(list, " or "))
	}
	if list := by[Unclear]; len(list) > 0 {
		text += fmt.Sprintf(", doubling %s cannot be told from the noise", strings.Join(list, " or "))
	}
	return text
}

// onCores is a reminder why a stage that computes gains nothing.
func (t *tuner) onCores(s Stage, width int) string {
	r := t.report
	switch {
	case s.Kind != CPU || width <= r.PhysicalCores:
		return ""
	case r.PhysicalCores < r.UsableCores:
		return fmt.Sprintf(" on %d cores (%d threads)", r.PhysicalCores, r.UsableCores)
	}
	return fmt.Sprintf(" on %d cores", r.UsableCores)
}

// narrowed is the report on a single stage that is wide enough. last is the step down
// that did not hold, if there was one.
func (t *tuner) narrowed(s Stage, least Widths, last, doubled Comparison) {
	r := t.report
	r.Widths = least
	n := least[s.Name]
	more := doubled.of(2*s.Width) + t.onCores(s, 2*s.Width)
	reason := fmt.Sprintf("%d is enough for %s: %s", s.Width, s.Name, more)
	switch {
	case n == 1 && s.Width > 1:
		r.Gain = 1 / last.Gain
		as := fmt.Sprintf("as fast as %d", s.Width)
		if last.High < 1 {
			as = fmt.Sprintf("faster than %d", s.Width)
		}
		reason = fmt.Sprintf("%s is not what holds the job back: 1 is %s, %s; %s", s.Name, as, times(r.Gain), more)
	case last.Verdict == Faster:
		r.Gain, r.Over = last.Gain, last.From
		reason = fmt.Sprintf("Give %s %d: %s as fast as %d", s.Name, n, last.bounds(), last.From[s.Name])
		if n < s.Width {
			reason = fmt.Sprintf("Give %s %d, which is as fast as %d: that is %s as fast as %d", s.Name, n, s.Width, last.bounds(), last.From[s.Name])
		}
		reason += "; " + more
	case last.Verdict == Unclear:
		reason += fmt.Sprintf("; whether %d is enough cannot be told from the noise: %d is %s as fast, in %d rounds", last.From[s.Name], s.Width, last.bounds(), last.Rounds)
	}
	r.Reason = reason
}

// shared is the report on stages of which each alone helps, about as much.
func (t *tuner) shared(alone []Comparison, best int) {
	r := t.report
	r.Outcome = OutcomeShared
	var parts []string
	w := maps.Clone(r.Widths)
	for i, s := range t.stages {
		if alone[i].Verdict == Faster && alone[i].High >= alone[best].Low {
			r.Shared = append(r.Shared, s.Name)
			parts = append(parts, s.Name+" "+alone[i].bounds())
			w[s.Name] *= 2
		}
	}
	r.Widths, r.Gain = w, alone[best].Gain
	r.Reason = fmt.Sprintf("no single bottleneck: doubling one of these makes the whole job faster, and by about as much: %s. They do not overlap, or take each other's cores. Widen each, and tune again", strings.Join(parts, ", "))
}

// needed is the report on stages that hold the job back only together.
func (t *tuner) needed(start Widths, both Comparison, without []Comparison) {
	r := t.report
	r.Outcome, r.Gain = OutcomeShared, both.Gain
	w := maps.Clone(start)
	for i, s := range t.stages {
		if without[i].Verdict != NoFaster {
			r.Shared = append(r.Shared, s.Name)
			w[s.Name] *= 2
		}
	}
	if len(r.Shared) == 0 { // any of them is enough beside the others
		w = both.To
		for _, s := range t.stages {
			r.Shared = append(r.Shared, s.Name)
		}
	}
	r.Widths = w
	r.Reason = fmt.Sprintf("no single bottleneck: doubling one stage alone changes nothing, doubling %s makes the whole job %s as fast. Widen them together, and tune again",
		strings.Join(r.Shared, " and "), both.bounds())
}

func (t *tuner) none(both Comparison) {
	t.report.Outcome = OutcomeNone
	t.report.Reason = fmt.Sprintf("none of these stages holds the job back: even twice the width of all of them changes nothing, %s. It is the source, the sink, the cores, or a stage that is not among them", both.bounds())
}

// unclear is the report on too much noise.
func (t *tuner) unclear(list []Comparison) {
	t.report.Outcome = OutcomeUnclear
	var parts []string
	for _, c := range list {
		if c.Verdict == Unclear {
			parts = append(parts, fmt.Sprintf("%s: %s", c.Change, c.bounds()))
		}
	}
	rounds := slices.MaxFunc(list, func(a, b Comparison) int { return a.Rounds - b.Rounds }).Rounds
	t.report.Reason = fmt.Sprintf("cannot tell, the noise is too great for %d rounds (%s): make the runs longer, give more rounds, or keep the machine quiet", rounds, strings.Join(parts, "; "))
}
