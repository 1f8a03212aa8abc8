package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"example.com/handoff/bench/internal/chart"
	"example.com/handoff/bench/stat"
)

// ChartOptions say what a terminal can show. Nil or zero is 80 columns without colours.
type ChartOptions struct {
	Columns int  // its width: 40 to 200, what is beyond is taken as these; 0 is 80
	Color   bool // with ANSI colours
	ASCII   bool // with ASCII characters alone, for a terminal that can't show others
}

// WriteChart draws the costs by size with characters, both scales logarithmic: a line and
// a mark for each strategy, and below the axis where each crossover lies. Neither figures
// with wrong answers nor those of no time at all are drawn. The options are read only.
func (r *Report) WriteChart(w io.Writer, opts *ChartOptions) error {
	if opts == nil {
		opts = &ChartOptions{}
	}
	return r.costs("").WriteText(w, chart.TextOptions(*opts))
}

// WriteSVG draws the costs by size as an SVG image on its own: with intervals as bands and
// crossovers shaded. It has a title and a description, and colours for a light and a dark
// surrounding.
func (r *Report) WriteSVG(w io.Writer) error {
	return r.costs("costs").WriteSVG(w, wideChart)
}

// wideChart is the width of a picture on its own, in the units of its text, which is 12
// high.
const wideChart = 860

// costs is the chart of the results.
func (r *Report) costs(id string) *chart.Lines {
	c := &chart.Lines{
		ID:    id,
		Title: r.title(),
		X:     chart.Axis{Label: "size of the payload", Unit: chart.Bytes},
		Y:     chart.Axis{Label: "time of one handoff (median)", Unit: chart.Nanoseconds},
	}
	for i, strategy := range r.strategies() {
		s := chart.Series{Name: strategy, Look: look(strategy, i)}
		for _, x := range r.Results {
			if x.Strategy == strategy && x.Answer != wrongAnswer {
				s.Points = append(s.Points, chart.Point{X: float64(x.Bytes), Y: x.MedianNS, Low: valueOf(x.LowNS), High: valueOf(x.HighNS),
					Hollow: x.Busy != "", Note: x.note()})
			}
		}
		c.Series = append(c.Series, s)
	}
	for _, x := range r.Crossovers {
		if x.Bytes != nil && x.Low != nil && x.High != nil {
			c.Regions = append(c.Regions, chart.Region{X: float64(*x.Bytes), Low: float64(*x.Low), High: float64(*x.High),
				Label: x.label()})
		}
	}
	c.Desc = r.describe()
	return c
}

// title says what the chart shows, and where that was measured.
func (r *Report) title() string {
	return strings.Join(nonEmpty("Cost of handing over "+r.Payload.plural()+" by size", r.Machine.CPU), ", ")
}

// label is a crossover beside its stretch of the axis. What was measured afresh is said
// where it did not confirm it.
func (c Crossover) label() string {
	text := fmt.Sprintf("%s → %s: %s", c.A, c.B, stat.Size(*c.Bytes))
	if what, _, _ := strings.Cut(c.Verified, ":"); what != "" && what != confirmed {
		text += ", " + what
	}
	return text
}

// note is a result in one line.
func (x Result) note() string {
	s := fmt.Sprintf("%s, %s: %s", x.Strategy, sizeText(x.Bytes), stat.Time(x.MedianNS))
	if x.LowNS != nil && x.HighNS != nil {
		s += fmt.Sprintf(" (%s to %s)", stat.Time(*x.LowNS), stat.Time(*x.HighNS))
	}
	if x.Busy != "" {
		s += ", too busy: " + x.Busy
	}
	return s
}

// describe says in words what the chart shows.
func (r *Report) describe() string {
	var b strings.Builder
	b.WriteString("Both scales are logarithmic.")
	for _, strategy := range r.strategies() {
		var of []Result
		for _, x := range r.Results {
			if x.Strategy == strategy && x.Answer != wrongAnswer {
				of = append(of, x)
			}
		}
		switch n := len(of); n {
		case 0:
		case 1:
			fmt.Fprintf(&b, " %s: %s at %s.", strategy, stat.Time(of[0].MedianNS), sizeText(of[0].Bytes))
		default:
			fmt.Fprintf(&b, " %s: %s at %s, %s at %s.", strategy, stat.Time(of[0].MedianNS), sizeText(of[0].Bytes),
				stat.Time(of[n-1].MedianNS), sizeText(of[n-1].Bytes))
		}
	}
	return b.String()
}

// strategies are those of the results, in the order of Strategies, others last.
func (r *Report) strategies() (names []string) {
	measured := map[string]bool{}
	for _, x := range r.Results {
		measured[x.Strategy] = true
	}
	for _, name := range lookOrder {
		if measured[name] {
			names = append(names, name)
		}
	}
	for _, x := range r.Results {
		if !slices.Contains(names, x.Strategy) {
			names = append(names, x.Strategy)
		}
	}
	return names
}

// lookOrder gives each strategy a mark of its own, which stays the same from report to
// report; the part before the first dash, with what it stands for, gives the colour.
var lookOrder = []string{"gob-fresh", "gob-reused", "pipe-raw", "unix-raw", "arrow-pipe", "shm-fresh", "shm-copy", "shm-resident", "value", "shared", "goroutine"}

var lookColors = map[string]int{"gob": 0, "pipe": 1, "unix": 1, "arrow": 2, "shm": 3, "value": 4, "shared": 4, "goroutine": 5}

// look is how a strategy is drawn, the i-th of a report.
func look(strategy string, i int) chart.Look {
	mark := slices.Index(lookOrder, strategy)
	color := func(name string) int {
		kind, _, _ := strings.Cut(name, "-")
		if c, ok := lookColors[kind]; ok {
			return c
		}
		return lookColors[inProcess]
	}
	if mark < 0 {
		return chart.Look{Color: color(strategy), Dash: i, Mark: len(lookOrder) + i}
	}
	l := chart.Look{Color: color(strategy), Mark: mark}
	for _, before := range lookOrder[:mark] {
		if color(before) == l.Color {
			l.Dash++
		}
	}
	return l
}

func valueOf(x *float64) float64 {
	if x == nil {
		return 0
	}
	return *x
}
