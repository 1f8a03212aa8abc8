package chart

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"
)

// A Look tells the marks of one series from those of others. Each field is an index and
// any number will do; series that belong together share a Color and differ in Mark.
type Look struct{ Color, Dash, Mark int }

// A Point is one measurement. Low and High are the ends of its interval, 0 for none.
type Point struct {
	X, Y, Low, High float64
	Hollow          bool   // drawn without filling: a figure to doubt
	Note            string // shown when a pointer rests on it
}

// band tells whether the point has an interval that a scale can show.
func (p Point) band() bool { return positive(p.Low) && positive(p.High) && p.Low <= p.High }

// A Series is the points of one thing by size.
type Series struct {
	Name   string
	Look   Look
	Points []Point
}

// A Region is a stretch of the X axis that is shaded, with a line at X.
type Region struct {
	X, Low, High float64
	Label        string
}

// Lines is a chart of series on logarithmic scales.
type Lines struct {
	ID          string // begins the ids of the SVG's elements; different for each in one page
	Title, Desc string // for those who don't see it
	X, Y        Axis
	Series      []Series
	Regions     []Region
}

// An Axis is what a scale shows, and in which unit.
type Axis struct {
	Label string
	Unit  Unit
}

// positive tells whether a logarithmic scale has a place for x.
func positive(x float64) bool { return x > 0 && !math.IsInf(x, 1) }

// clean is the chart without what can't be drawn: points by size, no empty series, regions
// within the sizes of the points.
func (c *Lines) clean() *Lines {
	d := *c
	d.Series, d.Regions = nil, nil
	least, most := math.Inf(1), 0.0
	for _, s := range c.Series {
		points := slices.DeleteFunc(slices.Clone(s.Points), func(p Point) bool { return !positive(p.X) || !positive(p.Y) })
		if len(points) == 0 {
			continue
		}
		slices.SortStableFunc(points, func(p, q Point) int { return cmp.Compare(p.X, q.X) })
		least, most = min(least, points[0].X), max(most, points[len(points)-1].X)
		s.Points, s.Name = points, printable(s.Name, nameRunes)
		d.Series = append(d.Series, s)
	}
	for _, r := range c.Regions {
		if positive(r.Low) && positive(r.High) && r.Low <= r.High && r.Low <= most && r.High >= least {
			r.Low, r.High = max(r.Low, least), min(r.High, most)
			r.Label = printable(r.Label, labelRunes)
			d.Regions = append(d.Regions, r)
		}
	}
	slices.SortStableFunc(d.Regions, func(p, q Region) int { return cmp.Compare(p.Low, q.Low) })
	return &d
}

// The longest names and labels, in runes; longer ones are cut.
const (
	nameRunes  = 24
	labelRunes = 64
)

// printable is s on one line without control characters, cut to n runes.
func printable(s string, n int) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s))
	if len(runes) > n {
		runes = append(runes[:n-1], '…')
	}
	return string(runes)
}

// scales are those of both axes, with room around the points.
func (c *Lines) scales() (x, y scale) {
	var xs, ys []float64
	for _, s := range c.Series {
		for _, p := range s.Points {
			xs, ys = append(xs, p.X), append(ys, p.Y)
			if p.band() {
				ys = append(ys, p.Low, p.High)
			}
		}
	}
	return newScale(xs, 0.02), newScale(ys, 0.04)
}
