package tune

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

// String is the trials and comparisons as tables, the wall-clocks as bars, and the reason.
func (r *Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, s := range r.Stages {
		fmt.Fprintf(w, "%s\t", s.Name)
	}
	fmt.Fprint(w, "runs\tmedian\tquartiles\t\n")
	for _, t := range r.sorted() {
		for _, s := range r.Stages {
			fmt.Fprintf(w, "%d\t", t.Widths[s.Name])
		}
		fmt.Fprintf(w, "%d\t%s\t%s – %s\t\n", len(t.Walls), short(t.Median), short(t.Q1), short(t.Q3))
	}
	w.Flush()
	b.WriteByte('\n')
	fmt.Fprint(w, "change\tgain\tbetween\trounds\tverdict\t\n")
	for _, c := range r.Comparisons {
		fmt.Fprintf(w, "%s\t%s\t%.3g – %.3g\t%d\t%s\t\n", c.Change, times(c.Gain), c.Low, c.High, c.Rounds, c.Verdict)
	}
	w.Flush()
	if chart := r.Chart(60); chart != "" {
		b.WriteString("\n" + chart)
	}
	b.WriteString("\n" + r.Reason + ".\n")
	return b.String()
}

// sorted are the trials by their widths.
func (r *Report) sorted() []Trial {
	return slices.SortedFunc(slices.Values(r.Trials), func(a, b Trial) int {
		for _, s := range r.Stages {
			if c := cmp.Compare(a.Widths[s.Name], b.Widths[s.Name]); c != 0 {
				return c
			}
		}
		return 0
	})
}

// Chart is the wall-clock against the width as bars, columns wide at most, with a mark at
// what is recommended: of the bottleneck or of the only stage, with the others as they
// were at first. It is "" where there is neither.
func (r *Report) Chart(columns int) string {
	name := r.Bottleneck
	if name == "" && len(r.Stages) == 1 {
		name = r.Stages[0].Name
	}
	var trials []Trial
	longest := time.Duration(0)
	for _, t := range r.sorted() {
		alone := !slices.ContainsFunc(r.Stages, func(s Stage) bool { return s.Name != name && t.Widths[s.Name] != s.Width })
		if alone && name != "" {
			trials = append(trials, t)
			longest = max(longest, t.Median)
		}
	}
	if len(trials) == 0 {
		return ""
	}
	label := max(utf8.RuneCountInString(name), 4)
	room := max(columns-label-2-24, 10)
	var b strings.Builder
	fmt.Fprintf(&b, "%*s  wall-clock\n", label, name)
	for _, t := range trials {
		mark := ""
		if r.Outcome != OutcomeUnclear && t.Widths[name] == r.Widths[name] {
			mark = "  ◀ enough"
		}
		fmt.Fprintf(&b, "%*d  %s %s%s\n", label, t.Widths[name], bar(float64(t.Median)/float64(longest), room), short(t.Median), mark)
	}
	return b.String()
}

// bar is a share of room columns, to an eighth of a column.
func bar(share float64, room int) string {
	eighths := max(int(share*float64(room)*8+0.5), 1)
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}

// short is a duration in three digits or four.
func short(d time.Duration) string {
	unit := time.Duration(1)
	for unit < time.Hour && d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit).String()
}
