package chart

import (
	"fmt"
	"math"
)

// Bars is a chart of groups of bars that begin at 0.
type Bars struct {
	ID, Title, Desc string
	Groups          []Group
}

// A Group is bars below one label.
type Group struct {
	Label string
	Bars  []Bar
}

// A Bar is a value and how it is written. Its part up to Base is drawn paler.
type Bar struct {
	Name, Text  string
	Look        Look
	Value, Base float64
}

const (
	barRow     = 22.0
	groupLabel = 24.0
)

// SVG draws the chart as an element for a page that has [Style].
func (c *Bars) SVG(width float64) string {
	width = max(width, 240)
	name, text, most, height := 0.0, 0.0, 0.0, edge
	for _, g := range c.Groups {
		height += groupLabel + barRow*float64(len(g.Bars))
		for _, b := range g.Bars {
			name, text = max(name, textWidth(printable(b.Name, nameRunes))), max(text, textWidth(b.Text))
			if positive(b.Value) {
				most = max(most, b.Value)
			}
		}
	}
	name, text = min(name, width*0.3), min(text, width*0.3)
	d := &drawing{}
	d.begin(c.ID, c.Title, c.Desc, width, max(height+edge, 40), false)
	left := edge + name + 10
	length := func(v float64) float64 {
		if !positive(v) || most == 0 {
			return 0
		}
		return math.Min(v/most, 1) * (width - edge - text - 8 - left)
	}
	y := edge
	for _, g := range c.Groups {
		d.text("faint", "start", left, y+16, fit(printable(g.Label, nameRunes), width-left))
		y += groupLabel
		top := y
		for _, b := range g.Bars {
			class := fmt.Sprintf(" c%d", b.Look.Color%len(Colors))
			base := length(min(b.Base, b.Value))
			d.text("name", "end", left-10, y+15, fit(printable(b.Name, nameRunes), name))
			d.rect("bar base"+class, left, y+3, base, barRow-6)
			d.rect("bar"+class, left+base, y+3, length(b.Value)-base, barRow-6)
			d.text("value", "start", left+length(b.Value)+6, y+15, fit(b.Text, text))
			y += barRow
		}
		d.line("axis", left, top, left, y)
	}
	d.end()
	return d.String()
}
