package chart

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
)

// Below narrow the names of series stand under the plot, not beside their lines.
const narrow = 560

// A plot is where the lines are, in the units of the image.
type plot struct {
	head                     float64 // above all of it
	left, right, top, bottom float64
	x, y                     scale
}

func (p plot) atX(v float64) float64 { return p.left + p.x.at(v)*(p.right-p.left) }
func (p plot) atY(v float64) float64 { return p.bottom - p.y.at(v)*(p.bottom-p.top) }

// WriteSVG draws the chart as an image on its own, with its style. Width is that of the
// image, 240 or more; 12 is the size of its text.
func (c *Lines) WriteSVG(w io.Writer, width float64) error {
	_, err := io.WriteString(w, c.svg(width, true))
	return err
}

// SVG draws the chart as an element for a page that has [Style].
func (c *Lines) SVG(width float64) string { return c.svg(width, false) }

func (c *Lines) svg(width float64, alone bool) string {
	c = c.clean()
	width = max(width, 240)
	for i := range c.Series {
		c.Series[i].Name = fit(c.Series[i].Name, width*0.6)
	}
	p, height := c.layout(width)
	d := &drawing{}
	if alone { // a page has the title in its text
		const title = 22.0
		p.head, p.top, p.bottom, height = title, p.top+title, p.bottom+title, height+title
	}
	d.begin(c.ID, c.Title, c.Desc, width, height, alone)
	if alone {
		d.text("name", "start", edge, edge+fontSize, fit(c.Title, width-2*edge))
	}
	if len(c.Series) == 0 {
		d.text("faint", "middle", width/2, height/2, "nothing to draw")
		d.end()
		return d.String()
	}
	c.regions(d, p)
	c.axes(d, p)
	for _, s := range c.Series {
		s.band(d, p)
	}
	for _, s := range c.Series {
		s.line(d, p)
	}
	if width < narrow {
		c.legend(d, p, width)
	} else {
		c.names(d, p)
	}
	d.end()
	return d.String()
}

// The measures of the parts around the plot.
const (
	edge      = 8.0  // of the image
	regionRow = 18.0 // the label of a region
	legendRow = 20.0
	nameGap   = 17.0 // between names beside the lines
	nameLead  = 34.0 // from the plot to the text of a name
)

// layout finds the plot and the height of the image.
func (c *Lines) layout(width float64) (p plot, height float64) {
	p.x, p.y = c.scales()
	left, longest := 0.0, 0.0
	for _, v := range p.y.ticks(c.Y.Unit, 8) {
		left = max(left, textWidth(c.Y.Unit.format(v)))
	}
	for _, s := range c.Series {
		longest = max(longest, textWidth(s.Name))
	}
	p.left = edge + left + 8
	p.top = edge + lineHeight + 10 + regionRow*float64(len(c.Regions))
	p.right = width - edge
	tall := width * 0.5
	below := 2*lineHeight + 12.0
	if width < narrow {
		tall = width * 0.8
		below += legendRow*float64(legendRows(len(c.Series), longest, width)) + 6
	} else if len(c.Series) > 0 {
		p.right -= nameLead + longest
		tall = max(tall, nameGap*float64(len(c.Series)))
	}
	p.bottom = p.top + tall
	return p, p.bottom + below
}

func (c *Lines) axes(d *drawing, p plot) {
	for _, v := range p.y.ticks(c.Y.Unit, 8) {
		y := p.atY(v)
		d.line("grid", p.left, y, p.right, y)
		d.text("faint", "end", p.left-8, y+4, c.Y.Unit.format(v))
	}
	d.text("faint", "start", edge, p.head+edge+fontSize, fit(c.Y.Label, p.right-edge))
	end := 0.0
	for _, v := range p.x.ticks(c.X.Unit, int((p.right-p.left)/58)) {
		x, label := p.atX(v), c.X.Unit.format(v)
		d.line("axis", x, p.bottom, x, p.bottom+5)
		if half := textWidth(label) / 2; x-half >= end && x+half <= p.right+nameLead {
			d.text("faint", "middle", x, p.bottom+18, label)
			end = x + half + 4
		}
	}
	d.line("axis", p.left, p.bottom, p.right, p.bottom)
	d.text("faint", "end", p.right, p.bottom+lineHeight*2+4, fit(c.X.Label, p.right-p.left))
}

// regions shades them over the height of the plot. Each label has a row of its own above.
func (c *Lines) regions(d *drawing, p plot) {
	for i, r := range c.Regions {
		low, high := p.atX(r.Low), p.atX(r.High)
		const least = 2 // what is thinner is not seen
		if high-low < least {
			low, high = (low+high-least)/2, (low+high+least)/2
		}
		d.rect("region", low, p.top, high-low, p.bottom-p.top)
		y := p.top - regionRow*float64(len(c.Regions)-i)
		at := (low + high) / 2
		if positive(r.X) {
			at = min(high, max(low, p.atX(r.X)))
		}
		d.line("middle", at, y+10, at, p.bottom)
		label := fit(r.Label, p.right-p.left)
		if half := textWidth(label); at+4+half <= p.right {
			d.text("label", "start", at+5, y+13, label)
		} else if at-4-half >= edge {
			d.text("label", "end", at-5, y+13, label)
		} else {
			d.text("label", "end", p.right, y+7, label)
		}
	}
}

// band fills what lies between the intervals' ends, where neighbours have them.
func (s Series) band(d *drawing, p plot) {
	for i := 0; i < len(s.Points); {
		n := i
		for n < len(s.Points) && s.Points[n].band() {
			n++
		}
		if n == i+1 {
			q := s.Points[i]
			d.line(fmt.Sprintf("whisker c%d", s.Look.Color%len(Colors)), p.atX(q.X), p.atY(q.Low), p.atX(q.X), p.atY(q.High))
		} else if n > i {
			var around []float64
			for _, q := range s.Points[i:n] {
				around = append(around, p.atX(q.X), p.atY(q.High))
			}
			for _, q := range slices.Backward(s.Points[i:n]) {
				around = append(around, p.atX(q.X), p.atY(q.Low))
			}
			fmt.Fprintf(d, `<path class="band c%d" d="%sZ"/>`+"\n", s.Look.Color%len(Colors), path(around))
		}
		i = max(n, i+1)
	}
}

func (s Series) line(d *drawing, p plot) {
	var along []float64
	for _, q := range s.Points {
		along = append(along, p.atX(q.X), p.atY(q.Y))
	}
	fmt.Fprintf(d, `<path class="line c%d d%d" d="%s"/>`+"\n", s.Look.Color%len(Colors), s.Look.Dash%len(dashes), path(along))
	for i, q := range s.Points {
		d.mark(s.Look, q.Hollow, along[2*i], along[2*i+1], q.Note)
	}
}

// names writes each series' name beside the end of its line, none over another.
func (c *Lines) names(d *drawing, p plot) {
	order := slices.Clone(c.Series)
	last := func(s Series) Point { return s.Points[len(s.Points)-1] }
	slices.SortStableFunc(order, func(s, t Series) int { return cmp.Compare(last(t).Y, last(s).Y) })
	var places []float64
	for _, s := range order {
		places = append(places, p.atY(last(s).Y))
	}
	for i, y := range spread(places, nameGap, p.top, p.bottom) {
		s := order[i]
		from := p.atX(last(s).X) + 6
		d.line(fmt.Sprintf("lead c%d", s.Look.Color%len(Colors)), from, places[i], max(from, p.right+nameLead-20), y)
		d.mark(s.Look, false, p.right+nameLead-12, y, "")
		d.text("name", "start", p.right+nameLead-3, y+4, s.Name)
	}
}

// legendRows are those of n names, the longest of which is as long as longest.
func legendRows(n int, longest, width float64) int {
	columns := max(1, math.Floor((width-2*edge)/(longest+36)))
	return int(math.Ceil(float64(n) / columns))
}

// legend writes the names below the plot, in columns.
func (c *Lines) legend(d *drawing, p plot, width float64) {
	longest := 0.0
	for _, s := range c.Series {
		longest = max(longest, textWidth(s.Name))
	}
	rows := legendRows(len(c.Series), longest, width)
	for i, s := range c.Series {
		x := edge + float64(i/rows)*(longest+36)
		y := p.bottom + 2*lineHeight + 18 + legendRow*float64(i%rows)
		d.line(fmt.Sprintf("line c%d d%d", s.Look.Color%len(Colors), s.Look.Dash%len(dashes)), x, y, x+24, y)
		d.mark(s.Look, false, x+12, y, "")
		d.text("name", "start", x+30, y+4, s.Name)
	}
}
