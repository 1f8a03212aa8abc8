package chart

import (
	"fmt"
	"strings"
)

// A Shade is one colour on a light surface and on a dark one, as #rrggbb.
type Shade struct{ Light, Dark string }

// Colors are those of series, by Look.Color: vermilion, purple, ochre, blue, green, grey.
// The order of their lightness, and Okabe and Ito's hues, keep them apart for those who
// don't see red and green; each has a contrast of 3 or more to the paper.
var Colors = []Shade{
	{"#c2410c", "#ff8f57"},
	{"#9d3f86", "#e592cf"},
	{"#8a6a00", "#d8b13a"},
	{"#0f5ea8", "#6cb4f2"},
	{"#00796b", "#45cdb0"},
	{"#4b5563", "#b6bdc8"},
}

// The surface and what is written on it.
var (
	Paper = Shade{"#fdfcf9", "#15181d"}
	Ink   = Shade{"#1d2127", "#e7e6e2"}
	Faint = Shade{"#5f6672", "#a2a8b3"} // text of less importance
	Rule  = Shade{"#dedbd3", "#333942"} // lines of a grid
)

// dashes are the patterns of lines, by Look.Dash.
var dashes = []string{"", "7 3", "2 3", "9 3 2 3", "4 2 1 2"}

// Style is the style sheet of the images: for a page that has them in its text. It defines
// nothing outside of svg.chart.
func Style() string {
	return sheet(func(s Shade) string { return s.Light }) + fixed + "@media (prefers-color-scheme:dark){\n" +
		sheet(func(s Shade) string { return s.Dark }) + "}\n"
}

// fixed is what is the same in light and dark.
var fixed = func() string {
	var b strings.Builder
	fmt.Fprintf(&b, ".chart text{font:%vpx ui-sans-serif,system-ui,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,sans-serif;font-variant-numeric:tabular-nums}\n", fontSize)
	b.WriteString(".chart path,.chart .frame{fill:none}\n" +
		".chart .line{stroke-width:2;stroke-linejoin:round;stroke-linecap:butt}\n" +
		".chart .grid,.chart .lead{stroke-width:1}\n.chart .lead{opacity:.55;stroke-dasharray:1 2}\n" +
		".chart .band{stroke:none!important;opacity:.18}\n" +
		".chart .mark{stroke-width:1.2}\n.chart .middle{stroke-width:1.4;stroke-dasharray:4 3}\n" +
		".chart .dots{stroke-width:3.2;stroke-linecap:round;opacity:.34}\n.chart .box{opacity:.22;stroke:none!important}\n" +
		".chart .whisker{stroke-width:1.5}\n.chart .median{stroke-width:3}\n.chart .bar.base{opacity:.35}\n.chart .bar{stroke:none!important}\n" +
		".chart .label{paint-order:stroke;stroke-width:5}\n") // no line runs through it
	for i, d := range dashes {
		if d != "" {
			fmt.Fprintf(&b, ".chart .d%d{stroke-dasharray:%s}\n", i, d)
		}
	}
	return b.String()
}()

// sheet is the part of the style that has colours.
func sheet(of func(Shade) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".chart .paper{fill:%s}\n.chart text{fill:%s}\n.chart text.faint{fill:%s}\n.chart .grid{stroke:%s}\n.chart .axis,.chart .middle{stroke:%s}\n.chart .region{fill:%s;opacity:.12}\n",
		of(Paper), of(Ink), of(Faint), of(Rule), of(Faint), of(Ink))
	for i, c := range Colors {
		fmt.Fprintf(&b, ".chart .c%d{stroke:%s}\n.chart .band.c%d,.chart .mark.c%d,.chart .box.c%d,.chart .bar.c%d{fill:%s}\n", i, of(c), i, i, i, i, of(c))
	}
	fmt.Fprintf(&b, ".chart .mark.hollow{fill:%s}\n.chart .label{stroke:%s}\n", of(Paper), of(Paper))
	return b.String()
}
