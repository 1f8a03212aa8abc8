package tune

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

// String is the comparisons as a table, the wall-clocks as bars, and the reason.
func (r *Report) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "change\tbefore\tafter\tgain\tbetween\trounds\tverdict\t\n")
	for _, c := range r.Comparisons {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.3g – %.3g\t%d\t%s\t\n", c.Change, short(c.Before), short(c.After), times(c.Gain), c.Low, c.High, c.Rounds, c.Verdict)
	}
	w.Flush()
	if chart := r.Chart(60); chart != "" {
		b.WriteString("\n" + chart)
	}
	b.WriteString("\n" + r.Reason + ".\n")
	return b.String()
}

// Chart is the wall-clock against the width as bars, columns wide at most, with a mark at
// what is recommended: of the bottleneck or of the only stage, with the others as they
// were at first. It is "" where there is neither. The wall-clock is the median of the
// first comparison at the width that it started with; at the others it follows by the
// gains of the comparisons, as the verdicts do.
func (r *Report) Chart(columns int) string {
	name := r.Bottleneck
	if name == "" && len(r.Stages) == 1 {
		name = r.Stages[0].Name
	}
	walls := r.walls(name)
	if len(walls) == 0 {
		return ""
	}
	longest := 0.0
	for _, wall := range walls {
		longest = max(longest, wall)
	}
	label := max(utf8.RuneCountInString(name), 4)
	room := max(columns-label-2-24, 10)
	var b strings.Builder
	fmt.Fprintf(&b, "%*s  wall-clock\n", label, name)
	for _, width := range slices.Sorted(maps.Keys(walls)) {
		mark := ""
		if r.Outcome != OutcomeUnclear && width == r.Widths[name] {
			mark = "  ◀ enough"
		}
		fmt.Fprintf(&b, "%*d  %s %s%s\n", label, width, bar(walls[width]/longest, room), short(time.Duration(walls[width])), mark)
	}
	return b.String()
}

// walls are the wall-clocks by the width of a stage, the others as they were at first.
func (r *Report) walls(name string) map[int]float64 {
	walls := map[int]float64{}
	for _, c := range r.Comparisons {
		alone := !slices.ContainsFunc(r.Stages, func(s Stage) bool {
			return s.Name != name && (c.From[s.Name] != s.Width || c.To[s.Name] != s.Width)
		})
		if name == "" || !alone {
			continue
		}
		from, to := c.From[name], c.To[name]
		if len(walls) == 0 {
			walls[from] = float64(c.Before)
		}
		if walls[from] > 0 {
			walls[to] = walls[from] / c.Gain
		} else if walls[to] > 0 {
			walls[from] = walls[to] * c.Gain
		}
	}
	return walls
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
