package chart

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

// A drawing is an SVG image being written.
type drawing struct{ bytes.Buffer }

// fontSize is that of all text. Its runes are taken to be at most runeWidth wide, those of
// Chinese, Japanese and Korean twice that.
const (
	fontSize   = 12.0
	runeWidth  = 0.62 * fontSize
	lineHeight = 16.0
)

// textWidth is about how long s is; rather too long than too short.
func textWidth(s string) float64 {
	w := 0.0
	for _, r := range s {
		w += runeWidth
		if r >= 0x2e80 {
			w += runeWidth
		}
	}
	return w
}

// fit cuts s to a length.
func fit(s string, length float64) string {
	if textWidth(s) <= length {
		return s
	}
	runes := []rune(s)
	for len(runes) > 0 && textWidth(string(runes))+runeWidth > length {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

// escape makes text of any string: markup and what XML forbids is replaced.
func escape(s string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(s)) // a Buffer takes everything
	return b.String()
}

// num is a coordinate: a tenth is finer than anyone sees.
func num(x float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', 1, 64), ".0")
}

// begin opens the image. Title and description belong to it by their ids.
func (d *drawing) begin(id, title, desc string, width, height float64, alone bool) {
	id = escape(id)
	style := ""
	if alone {
		style = "<style>" + Style() + "</style>" + "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>"
	}
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" viewBox="0 0 %s %s" width="%s" height="%s" aria-labelledby="%s-title %s-desc">`+
		`<title id="%s-title">%s</title><desc id="%s-desc">%s</desc>%s`+"\n", num(width), num(height), num(width), num(height), id, id, id, escape(title), id, escape(desc), style)
}

func (d *drawing) end() { d.WriteString("</svg>\n") }

func (d *drawing) line(class string, x0, y0, x1, y1 float64) {
	fmt.Fprintf(d, `<path class="%s" d="M%s %sL%s %s"/>`+"\n", class, num(x0), num(y0), num(x1), num(y1))
}

func (d *drawing) rect(class string, x, y, width, height float64) {
	fmt.Fprintf(d, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"/>`+"\n", class, num(x), num(y), num(width), num(height))
}

// text is anchored at its "start", "middle" or "end".
func (d *drawing) text(class, anchor string, x, y float64, s string) {
	fmt.Fprintf(d, `<text class="%s" text-anchor="%s" x="%s" y="%s">%s</text>`+"\n", class, anchor, num(x), num(y), escape(s))
}

// polygon and polyline take x and y in turn.
func path(points []float64) string {
	var b strings.Builder
	for i := 0; i+1 < len(points); i += 2 {
		letter := "L"
		if i == 0 {
			letter = "M"
		}
		b.WriteString(letter + num(points[i]) + " " + num(points[i+1]))
	}
	return b.String()
}

// shapes are the marks by Look.Mark, within 9 × 9 about the point. The filled come first.
var shapes = []string{
	"m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", // circle
	"m-3.5-3.5h7v7h-7z",                  // square
	"m0-4.5l4.5 8h-9z",                   // triangle
	"m0 4.5l4.5-8h-9z",                   // triangle, point below
	"m-4.5 0l8-4.5v9z",                   // triangle, point left
	"m4.5 0l-8-4.5v9z",                   // triangle, point right
	"m0-5l5 5-5 5-5-5z",                  // diamond
	"m-1.2-4.5h2.4v3.3h3.3v2.4h-3.3v3.3h-2.4v-3.3h-3.3v-2.4h3.3z",                                        // plus
	"m-4.2-2.7l1.5-1.5 2.7 2.7 2.7-2.7 1.5 1.5-2.7 2.7 2.7 2.7-1.5 1.5-2.7-2.7-2.7 2.7-1.5-1.5 2.7-2.7z", // cross
	"m0-5l1.4 3.6h3.6l-2.6 2.6 1.2 3.6-3.6-2.2-3.6 2.2 1.2-3.6-2.6-2.6h3.6z",                             // star
	"m-5-1.6h10v3.2h-10z",                  // bar
	"m-2.3-4h4.6l2.3 4-2.3 4h-4.6l-2.3-4z", // hexagon
}

// mark draws the sign of a series. A note is shown when a pointer rests on it.
func (d *drawing) mark(l Look, hollow bool, x, y float64, note string) {
	class := fmt.Sprintf("mark c%d", l.Color%len(Colors))
	if hollow {
		class += " hollow"
	}
	fmt.Fprintf(d, `<path class="%s" d="M%s %s%s">`, class, num(x), num(y), shapes[l.Mark%len(shapes)])
	if note != "" {
		fmt.Fprintf(d, "<title>%s</title>", escape(note))
	}
	d.WriteString("</path>\n")
}
