package chart

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Strips is a chart of distributions on a logarithmic scale, one below the other: dots for
// values, a box over their middle half with the median, and a line over the middle nine
// tenths.
type Strips struct {
	ID, Title, Desc string
	X               Axis
	Rows            []Strip
}

// A Strip is the values of one thing.
type Strip struct {
	Name   string
	Look   Look
	Values []float64
}

const (
	stripRow  = 26.0
	stripName = 15.0 // a name that stands above its row
	// mostDots bounds the size of an image; the dots of more values are quantiles.
	mostDots = 60
)

// SVG draws the chart as an element for a page that has [Style].
func (c *Strips) SVG(width float64) string {
	width = max(width, 240)
	var all []float64
	var rows []Strip
	longest := 0.0
	for _, s := range c.Rows {
		s.Values = slices.DeleteFunc(slices.Clone(s.Values), func(v float64) bool { return !positive(v) })
		if len(s.Values) > 0 {
			slices.Sort(s.Values)
			s.Name = fit(printable(s.Name, nameRunes), width*0.4)
			rows, all, longest = append(rows, s), append(all, s.Values...), max(longest, textWidth(s.Name))
		}
	}
	left, row := edge+longest+12, stripRow
	if width < narrow {
		left, row = edge+6, stripRow+stripName
	}
	height := edge + row*float64(len(rows)) + 2*lineHeight + 12
	p := plot{left: left, right: width - edge - 6, top: edge, bottom: edge + row*float64(len(rows)), x: newScale(all, 0.02)}
	d := &drawing{}
	d.begin(c.ID, c.Title, c.Desc, width, height, false)
	if len(rows) == 0 {
		d.text("faint", "middle", width/2, height/2, "nothing to draw")
	} else {
		p.axisX(d, c.X, width)
	}
	for i, s := range rows {
		middle := p.top + row*float64(i+1) - stripRow/2
		if width < narrow {
			d.text("name", "start", edge, middle-stripRow/2-1, s.Name)
		} else {
			d.text("name", "end", left-12, middle+4, s.Name)
		}
		s.draw(d, p, middle)
	}
	d.end()
	return d.String()
}

// axisX draws the scale of a chart whose rows have no scale of their own.
func (p plot) axisX(d *drawing, a Axis, width float64) {
	end := 0.0
	for _, v := range p.x.ticks(a.Unit, int((p.right-p.left)/58)) {
		x, label := p.atX(v), a.Unit.format(v)
		d.line("grid", x, p.top, x, p.bottom)
		if half := textWidth(label) / 2; x-half >= end && x+half <= width {
			d.text("faint", "middle", x, p.bottom+lineHeight, label)
			end = x + half + 4
		}
	}
	d.text("faint", "end", p.right, p.bottom+2*lineHeight+2, fit(a.Label, p.right-p.left))
}

func (s Strip) draw(d *drawing, p plot, middle float64) {
	class := fmt.Sprintf(" c%d", s.Look.Color%len(Colors))
	at := func(q float64) float64 { return p.atX(quantile(s.Values, q)) }
	d.line("whisker"+class, at(0.05), middle, at(0.95), middle)
	var dots strings.Builder
	n := min(len(s.Values), mostDots)
	for i := range n {
		q := 0.5
		if n > 1 {
			q = float64(i) / float64(n-1)
		}
		// Multiples of the golden ratio lie evenly, whatever their number.
		_, aside := math.Modf(float64(i) * math.Phi)
		fmt.Fprintf(&dots, "M%s %sh0", num(at(q)), num(middle+(aside-0.5)*14))
	}
	fmt.Fprintf(d, `<path class="dots%s" d="%s"/>`+"\n", class, dots.String())
	d.rect("box"+class, at(0.25), middle-7, max(1, at(0.75)-at(0.25)), 14)
	d.line("median"+class, at(0.5), middle-8, at(0.5), middle+8)
}

// quantile interpolates between the sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	next := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[next]-sorted[i])
}
