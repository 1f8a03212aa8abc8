package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An element is one of an image, read back.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

func (e element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (e element) number(name string) float64 {
	x, _ := strconv.ParseFloat(e.attr(name), 64)
	return x
}

// all are the elements with a name and with a word in their class.
func (e element) all(name, class string) (found []element) {
	for _, c := range e.Children {
		if c.XMLName.Local == name && strings.Contains(" "+c.attr("class")+" ", " "+class+" ") {
			found = append(found, c)
		}
		found = append(found, c.all(name, class)...)
	}
	return found
}

// parse reads an image strictly and checks what holds for all of them.
func parse(t *testing.T, svg string) element {
	var e element
	d := xml.NewDecoder(strings.NewReader(svg))
	require.NoError(t, d.Decode(&e), svg)
	require.Equal(t, "svg", e.XMLName.Local)
	require.Equal(t, "http://www.w3.org/2000/svg", e.XMLName.Space)
	require.Equal(t, "img", e.attr("role"))
	labels := strings.Fields(e.attr("aria-labelledby"))
	require.Len(t, labels, 2)
	for i, name := range []string{"title", "desc"} {
		require.Equal(t, name, e.Children[i].XMLName.Local)
		require.Equal(t, labels[i], e.Children[i].attr("id"))
		require.NotEmpty(t, strings.TrimSpace(e.Children[i].Text))
	}
	require.NotRegexp(t, `NaN|Inf|<script|href|url\(`, svg)
	inside(t, e, svg)
	return e
}

var pairs = regexp.MustCompile(`[ML](-?[\d.]+) (-?[\d.]+)`)

// inside checks that all is drawn within the image, text too if its letters are no wider
// than was thought.
func inside(t *testing.T, e element, svg string) {
	var width, height float64
	fmt.Sscanf(e.attr("viewBox"), "0 0 %g %g", &width, &height)
	require.Positive(t, width)
	for _, p := range pairs.FindAllStringSubmatch(svg, -1) {
		x, _ := strconv.ParseFloat(p[1], 64)
		y, _ := strconv.ParseFloat(p[2], 64)
		require.True(t, x >= 0 && x <= width && y >= 0 && y <= height, "%s in %v × %v", p[0], width, height)
	}
	for _, class := range []string{"faint", "label", "name", "value"} {
		for _, x := range e.all("text", class) {
			from := x.number("x")
			switch x.attr("text-anchor") {
			case "end":
				from -= textWidth(x.Text)
			case "middle":
				from -= textWidth(x.Text) / 2
			}
			require.GreaterOrEqual(t, from, -0.1, x.Text)
			require.LessOrEqual(t, from+textWidth(x.Text), width+1, x.Text)
			require.True(t, x.number("y") > 0 && x.number("y") <= height, x.Text)
		}
	}
}

// texts checks that none of a class overlap, and returns them.
func texts(t *testing.T, e element, class string) (all []string) {
	type box struct{ x0, x1, y float64 }
	var boxes []box
	for _, x := range e.all("text", class) {
		b := box{x.number("x"), x.number("x") + textWidth(x.Text), x.number("y")}
		if x.attr("text-anchor") == "end" {
			b.x0, b.x1 = b.x0-textWidth(x.Text), b.x0
		}
		for i, o := range boxes {
			require.False(t, b.x0 < o.x1 && o.x0 < b.x1 && math.Abs(b.y-o.y) < fontSize, "%q over %q", x.Text, all[i])
		}
		boxes = append(boxes, b)
		all = append(all, x.Text)
	}
	return all
}

var widths = []float64{240, 360, 600, 860, 1200}

func TestLinesSVG(t *testing.T) {
	for _, width := range widths {
		for _, n := range []int{1, 2, 12, 30} {
			c := costs(n)
			e := parse(t, c.SVG(width))
			require.ElementsMatch(t, names(c), texts(t, e, "name"), "every name, once")
			require.Len(t, e.all("path", "band"), n)
			lines := n
			if width < narrow {
				lines *= 2 // the legend has one of each
			}
			require.Len(t, e.all("path", "line"), lines)
			require.Len(t, texts(t, e, "label"), 1)
			p, _ := c.layout(width)
			region := e.all("rect", "region")[0]
			require.InDelta(t, p.atX(25e3), region.number("x"), 0.1)
			require.InDelta(t, p.atX(50e3), region.number("x")+region.number("width"), 0.2)
			require.InDelta(t, p.top, region.number("y"), 0.1)
			for _, band := range e.all("path", "band") {
				for _, q := range pairs.FindAllStringSubmatch(band.attr("d"), -1) {
					x, _ := strconv.ParseFloat(q[1], 64)
					y, _ := strconv.ParseFloat(q[2], 64)
					require.True(t, x >= p.left && x <= p.right && y >= p.top && y <= p.bottom, "a band within the plot: %v %v, %+v", x, y, p)
				}
			}
		}
	}
}

func names(c *Lines) (all []string) {
	for _, s := range c.Series {
		all = append(all, s.Name)
	}
	return all
}

// Many regions: each label in a row of its own.
func TestLinesRegions(t *testing.T) {
	for _, width := range widths {
		c := costs(3)
		for i := range 9 {
			x := 64 * math.Pow(4, float64(i+1))
			c.Regions = append(c.Regions, Region{X: x, Low: x / 1.1, High: x * 1.1, Label: strings.Repeat("long ", 2+i)})
		}
		c.Regions = append(c.Regions, Region{X: 1, Low: 1, High: 2, Label: "outside"}, Region{Low: math.NaN(), High: 9, Label: "nowhere"},
			Region{X: 1e12, Low: 1e12, High: 1e13, Label: "beyond"}, Region{X: 1 << 20, Low: 2 << 20, High: 1 << 20, Label: "reversed"})
		require.Len(t, texts(t, parse(t, c.SVG(width)), "label"), 10)
	}
}

func TestLinesBadPoints(t *testing.T) {
	for _, width := range widths {
		for _, p := range badPoints {
			c := costs(1)
			c.Series = append(c.Series, Series{Name: "bad", Points: []Point{p}})
			require.Equal(t, costs(1).SVG(width), c.SVG(width))
			c.Series = c.Series[1:]
			require.Contains(t, c.SVG(width), "nothing to draw")
			parse(t, c.SVG(width))
		}
		for _, p := range []Point{{X: 1, Y: 1}, {X: 64, Y: 5, Low: 4, High: 6}, {X: math.SmallestNonzeroFloat64, Y: math.MaxFloat64, Low: math.NaN(), High: 1}, {X: 64, Y: 5, Low: 6, High: 4}} {
			c := costs(0)
			c.Series = []Series{{Name: strings.Repeat("名<&\x00\"", 50), Points: []Point{p}}}
			parse(t, c.SVG(width))
		}
	}
}

// An image on its own brings its style and its surface.
func TestLinesAlone(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, costs(12).WriteSVG(&b, 860))
	e := parse(t, b.String())
	require.Len(t, e.all("rect", "paper"), 1)
	require.Contains(t, b.String(), "prefers-color-scheme:dark")
	require.NotContains(t, costs(1).SVG(860), "<style")
}

// Colours have the contrast to the paper that WCAG asks of graphics and text, in light and
// in dark. What a colour-blind reader sees of them differs in lightness or hue too, but
// marks and dashes are what tells series apart.
func TestColors(t *testing.T) {
	for name, s := range map[string]Shade{"ink": Ink, "faint": Faint} {
		require.GreaterOrEqual(t, contrast(s.Light, Paper.Light), 4.5, name)
		require.GreaterOrEqual(t, contrast(s.Dark, Paper.Dark), 4.5, name)
	}
	for i, s := range Colors {
		require.GreaterOrEqual(t, contrast(s.Light, Paper.Light), 3.0, i)
		require.GreaterOrEqual(t, contrast(s.Dark, Paper.Dark), 3.0, i)
	}
	require.GreaterOrEqual(t, len(glyphs), len(shapes))
	require.Equal(t, len(Colors), len(ansi))
}

func contrast(a, b string) float64 {
	luminance := func(s string) (l float64) {
		for i, part := range []float64{0.2126, 0.7152, 0.0722} {
			n, _ := strconv.ParseUint(s[1+2*i:3+2*i], 16, 8)
			c := float64(n) / 255
			if c <= 0.04045 {
				l += part * c / 12.92
			} else {
				l += part * math.Pow((c+0.055)/1.055, 2.4)
			}
		}
		return l
	}
	x, y := luminance(a)+0.05, luminance(b)+0.05
	return max(x, y) / min(x, y)
}
