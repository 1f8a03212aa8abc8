package chart

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
)

// TextOptions say what a terminal can show.
type TextOptions struct {
	Columns int  // its width; less than 40 is 40, more than 200 is 200, 0 is 80
	Color   bool // with ANSI colours
	ASCII   bool // with ASCII characters alone
}

const (
	leastColumns, usualColumns, mostColumns = 40, 80, 200
	leastRows, mostRows                     = 10, 28
)

// glyphs are the marks of a terminal, by Look.Mark.
const glyphs = "o#^v<>%+x*=@ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// ansi are the colours by Look.Color: those that are legible on black and on white.
var ansi = []string{"31", "35", "33", "36", "32", "39"}

// A cell is one character of the terminal. Color is an index plus one, 0 for none.
type cell struct {
	r     rune
	color int
	dots  rune // of the Braille pattern, while lines are drawn
}

// A text is a chart being drawn. The plot is its rows of cells, top first.
type text struct {
	*Lines
	TextOptions
	x, y   scale
	margin int // columns left of the plot
	plot   [][]cell
	out    bytes.Buffer
}

// WriteText draws the chart with characters. No line is wider than Columns.
func (c *Lines) WriteText(w io.Writer, o TextOptions) error {
	if o.Columns == 0 {
		o.Columns = usualColumns
	}
	o.Columns = min(mostColumns, max(leastColumns, o.Columns))
	t := &text{Lines: c.clean(), TextOptions: o}
	if len(t.Series) == 0 {
		_, err := io.WriteString(w, "nothing to draw\n")
		return err
	}
	t.x, t.y = t.scales()
	rows := min(mostRows, max(leastRows, o.Columns/4))
	labels := t.yLabels(rows)
	for _, l := range labels {
		t.margin = max(t.margin, width(l)+1)
	}
	for range rows {
		t.plot = append(t.plot, make([]cell, o.Columns-t.margin-1))
	}
	for _, s := range t.Series {
		t.line(s)
	}
	for _, s := range t.Series {
		t.points(s)
	}
	t.write("%s\n", t.ascii(t.Y.Label))
	for i := range t.plot {
		t.row(labels[i], t.plot[i])
	}
	t.bottom()
	t.regions()
	t.legend()
	_, err := w.Write(t.out.Bytes())
	return err
}

func (t *text) write(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	t.out.WriteString(strings.TrimRight(strings.TrimSuffix(line, "\n"), " "))
	t.out.WriteByte('\n')
}

func width(s string) int { return len([]rune(s)) }

// ascii is s as the terminal can write it.
func (t *text) ascii(s string) string {
	if !t.ASCII {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == 'µ':
			return 'u'
		case r == '–':
			return '-'
		case r >= 0x7f:
			return '?'
		}
		return r
	}, strings.ReplaceAll(strings.ReplaceAll(s, "→", "->"), "…", "."))
}

// pick is one of two characters.
func (t *text) pick(fine, plain rune) rune {
	if t.ASCII {
		return plain
	}
	return fine
}

func (t *text) yLabels(rows int) map[int]string {
	labels := map[int]string{}
	for _, v := range t.y.ticks(t.Y.Unit, rows/2) {
		labels[place(1-t.y.at(v), rows)] = t.ascii(t.Y.Unit.format(v))
	}
	return labels
}

// place is the one of n cells in which a part of their length lies.
func place(part float64, n int) int { return min(n-1, int(math.Round(part*float64(n-1)))) }

// line draws dots between the points: Braille patterns of 2 × 4, or one dot a cell.
func (t *text) line(s Series) {
	height, cells := len(t.plot), len(t.plot[0])
	const across, down = 2, 4
	for i := 1; i < len(s.Points); i++ {
		p, q := s.Points[i-1], s.Points[i]
		x0, x1 := t.x.at(p.X)*float64(cells*across-1), t.x.at(q.X)*float64(cells*across-1)
		y0, y1 := (1-t.y.at(p.Y))*float64(height*down-1), (1-t.y.at(q.Y))*float64(height*down-1)
		steps := math.Ceil(max(x1-x0, math.Abs(y1-y0), 1))
		for k := 0.0; k <= steps; k++ {
			x, y := int(math.Round(x0+(x1-x0)*k/steps)), int(math.Round(y0+(y1-y0)*k/steps))
			c := &t.plot[y/down][x/across]
			c.color = s.Look.Color%len(ansi) + 1
			c.dots |= braille[y%down][x%across]
			c.r = t.pick(0x2800|c.dots, '.')
		}
	}
}

// braille are the bits of a pattern's dots, from U+2800.
var braille = [4][2]rune{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

// points puts the glyphs onto the lines. One whose cell is taken by another's glyph moves
// a column aside if it can.
func (t *text) points(s Series) {
	glyph := rune(glyphs[s.Look.Mark%len(glyphs)])
	for _, p := range s.Points {
		row := t.plot[place(1-t.y.at(p.Y), len(t.plot))]
		at := place(t.x.at(p.X), len(row))
		for _, aside := range []int{0, 1, -1, 2, -2} {
			if x := at + aside; x >= 0 && x < len(row) && (row[x].r == 0 || row[x].r == '.' || row[x].r >= 0x2800) {
				at = x
				break
			}
		}
		row[at] = cell{r: glyph, color: s.Look.Color%len(ansi) + 1}
	}
}

func (t *text) row(label string, cells []cell) {
	var b strings.Builder
	axis := t.pick('│', '|')
	if label != "" {
		axis = t.pick('┤', '+')
	}
	fmt.Fprintf(&b, "%*s%c", t.margin, label+" ", axis)
	color, last := 0, len(cells)
	for last > 0 && cells[last-1].r == 0 {
		last--
	}
	for _, c := range cells[:last] {
		if c.r == 0 {
			c.r, c.color = ' ', color // a blank has no colour to change to
		}
		if t.Color && c.color != color {
			color = c.color
			b.WriteString(t.escape(color))
		}
		b.WriteRune(c.r)
	}
	if color != 0 {
		b.WriteString(t.escape(0))
	}
	t.write("%s\n", b.String())
}

// escape changes the colour.
func (t *text) escape(color int) string {
	switch {
	case !t.Color:
		return ""
	case color == 0:
		return "\x1b[0m"
	}
	return "\x1b[" + ansi[color-1] + "m"
}

// bottom writes the X axis, its numbers and its label.
func (t *text) bottom() {
	cells := len(t.plot[0])
	axis := []rune(strings.Repeat(string(t.pick('─', '-')), cells))
	numbers := []rune(strings.Repeat(" ", t.Columns))
	end := 0
	for _, v := range t.x.ticks(t.X.Unit, cells/10) {
		at := place(t.x.at(v), cells)
		axis[at] = t.pick('┬', '+')
		label := []rune(t.ascii(t.X.Unit.format(v)))
		from := min(t.Columns-len(label), max(0, t.margin+1+at-len(label)/2))
		if from >= end {
			copy(numbers[from:], label)
			end = from + len(label) + 1
		}
	}
	t.write("%*s%c%s\n", t.margin, "", t.pick('└', '+'), string(axis))
	t.write("%s\n", string(numbers))
	label := t.ascii(t.X.Label)
	t.write("%*s\n", t.margin+1+(cells+width(label))/2, label)
}

// regions writes a line for each: where it is, and what.
func (t *text) regions() {
	cells := len(t.plot[0])
	for _, r := range t.Regions {
		row := []rune(strings.Repeat(" ", cells))
		low, high := place(t.x.at(r.Low), cells), place(t.x.at(r.High), cells)
		for x := low; x <= high; x++ {
			row[x] = t.pick('▒', '=')
		}
		label := []rune(t.ascii(r.Label))
		switch after, before := cells-high-2, low-1; {
		case len(label) <= after:
			copy(row[high+2:], label)
		case len(label) <= before:
			copy(row[low-1-len(label):], label)
		default:
			t.write("%*s%s\n", t.margin+1, "", string(row))
			t.write("%s\n", string(label[:min(len(label), t.Columns)]))
			continue
		}
		t.write("%*s%s\n", t.margin+1, "", string(row))
	}
}

// legend writes every glyph with its name.
func (t *text) legend() {
	var b strings.Builder
	used := 0
	for _, s := range t.Series {
		name := t.ascii(s.Name)
		n := 2 + width(name)
		switch {
		case used > 0 && used+3+n > t.Columns:
			b.WriteByte('\n')
			used = 0
		case used > 0:
			b.WriteString("   ")
			used += 3
		}
		fmt.Fprintf(&b, "%s%c%s %s", t.escape(s.Look.Color%len(ansi)+1), glyphs[s.Look.Mark%len(glyphs)], t.escape(0), name)
		used += n
	}
	fmt.Fprintf(&t.out, "%s\n", b.String())
}
