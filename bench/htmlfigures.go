package bench

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"example.com/handoff/bench/internal/chart"
	"example.com/handoff/bench/stat"
)

// A figure of the page: one picture, drawn once for each width of a window, of which the
// style sheet shows one.
type figure struct {
	Title, Caption string // Title is "" below a heading that says it
	Pictures       []template.HTML
}

// pictureWidths are those of small, middle and large windows, as html.css has them.
var pictureWidths = []float64{360, 600, wideChart}

func newFigure(title, caption string, draw func(id string, width float64) string) figure {
	f := figure{Title: title, Caption: caption}
	for i, width := range pictureWidths {
		// The chart package escapes every name that it writes.
		f.Pictures = append(f.Pictures, template.HTML(draw(fmt.Sprintf("-%d", i), width)))
	}
	return f
}

func (r *Report) costFigure() figure {
	c := r.costs("")
	caption := "Lower is faster. Both scales are logarithmic: one line of the grid up is ten times as long. " +
		"A band is the interval of the median; where none is seen it is narrower than the line."
	if len(c.Regions) > 0 {
		caption += " A grey stretch is a crossover: within it, the two strategies are not separated."
	}
	if slices.ContainsFunc(r.Results, func(x Result) bool { return x.Busy != "" }) {
		caption += " Hollow marks were measured while the machine was too busy."
	}
	return newFigure("", caption, func(id string, width float64) string {
		c.ID = "costs" + id
		return c.SVG(width)
	})
}

// spreadFigures show the samples at a few sizes: the ends, and beside the crossover.
func (r *Report) spreadFigures() (all []figure) {
	for i, bytes := range r.spreadSizes() {
		c := &chart.Strips{Title: "Distribution at " + sizeText(bytes), X: chart.Axis{Label: "time of one handoff", Unit: chart.Nanoseconds}}
		singles := true
		for _, x := range r.Results {
			singles = singles && (x.Bytes != bytes || len(x.SinglesNS) > 0)
		}
		var words []string
		for k, strategy := range r.strategies() {
			for _, x := range r.Results {
				if x.Strategy != strategy || x.Bytes != bytes || x.Answer == wrongAnswer {
					continue
				}
				s := chart.Strip{Name: strategy, Look: look(strategy, k), Values: x.SamplesNS}
				if singles {
					s.Values = make([]float64, len(x.SinglesNS))
					for n, ns := range x.SinglesNS {
						s.Values[n] = float64(ns)
					}
				}
				c.Rows = append(c.Rows, s)
				if len(s.Values) > 0 {
					words = append(words, fmt.Sprintf("%s: half of them between %s and %s", strategy, stat.Time(stat.Quantile(s.Values, 0.25)), stat.Time(stat.Quantile(s.Values, 0.75))))
				}
			}
		}
		caption := "The dots are samples, each the mean of many handoffs back to back."
		if singles {
			caption = "The dots are single handoffs, each timed by itself."
		}
		c.Desc = caption + " " + strings.Join(words, "; ") + "."
		all = append(all, newFigure(c.Title, caption, func(id string, width float64) string {
			c.ID = fmt.Sprintf("spread-%d%s", i, id)
			return c.SVG(width)
		}))
	}
	return all
}

func (r *Report) spreadSizes() []int64 {
	sizes := r.sizes()
	slices.Sort(sizes)
	if len(sizes) <= 3 {
		return sizes
	}
	shown := []int64{sizes[0], sizes[len(sizes)-1]}
	if c, _ := r.firstCrossover(); c != nil && c.Bytes != nil {
		at, _ := slices.BinarySearch(sizes, *c.Bytes)
		shown = append(shown, sizes[max(0, at-1)], sizes[min(at, len(sizes)-1)])
	} else {
		shown = append(shown, sizes[len(sizes)/2])
	}
	slices.Sort(shown)
	return slices.Compact(shown)
}

// memoryFigure is false if memory was not measured.
func (r *Report) memoryFigure() (f figure, ok bool) {
	c := &chart.Bars{Title: "Memory by number of workers"}
	results := slices.Clone(r.Memory)
	slices.SortStableFunc(results, func(a, b MemoryResult) int { return cmp.Compare(a.Workers, b.Workers) })
	var words []string
	for i, x := range results {
		if i == 0 || x.Workers != results[i-1].Workers {
			label := fmt.Sprintf("%d workers", x.Workers)
			if x.Workers == 1 {
				label = "1 worker"
			}
			c.Groups = append(c.Groups, chart.Group{Label: label})
		}
		g := &c.Groups[len(c.Groups)-1]
		g.Bars = append(g.Bars, chart.Bar{Name: x.Strategy, Text: stat.Size(x.PSSBytes), Look: look(x.Strategy, len(g.Bars)), Value: float64(x.PSSBytes), Base: float64(x.BasePSSBytes)})
		words = append(words, fmt.Sprintf("%s with %d: %s", x.Strategy, x.Workers, stat.Size(x.PSSBytes)))
	}
	c.Desc = "Memory of all processes together. " + strings.Join(words, "; ") + "."
	held := "an array"
	if len(results) > 0 && results[0].Bytes > 0 {
		held += " of " + sizeText(results[0].Bytes)
	}
	return newFigure("", "Memory of all processes together while every worker holds "+held+" of float64; a page that several map counts once (PSS). The part in the paler colour is what the processes take without it.",
		func(id string, width float64) string {
			c.ID = "memory" + id
			return c.SVG(width)
		}), len(results) > 0
}
