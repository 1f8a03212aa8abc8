package chart

import (
	"bytes"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// costs is n series, each a fixed cost and one by size, the first the dearest by size.
func costs(n int) *Lines {
	c := &Lines{ID: "costs", Title: "Costs", Desc: "what it shows", X: Axis{"size", Bytes}, Y: Axis{"time", Nanoseconds}}
	for i := range n {
		s := Series{Name: fmt.Sprintf("way-%d", i), Look: Look{i / 2, i % 2, i}}
		for x := 64.0; x <= 64<<20; x *= 32 {
			y := 1000*float64(1+i) + x/float64(1+i)
			s.Points = append(s.Points, Point{X: x, Y: y, Low: y * 0.8, High: y * 1.3, Note: fmt.Sprintf("note %d", i)})
		}
		c.Series = append(c.Series, s)
	}
	c.Regions = []Region{{X: 33e3, Low: 25e3, High: 50e3, Label: "way-0 → way-1: 33 KiB"}}
	return c
}

func asText(t *testing.T, c *Lines, o TextOptions) string {
	var b bytes.Buffer
	require.NoError(t, c.WriteText(&b, o))
	return b.String()
}

// No line is wider than the terminal, and every series has a mark of its own.
func TestTextWidth(t *testing.T) {
	for _, columns := range []int{0, 1, 40, 41, 63, 80, 133, 200, 1000} {
		for _, n := range []int{1, 2, 12, 30} {
			out := asText(t, costs(n), TextOptions{Columns: columns})
			widest := 0
			for line := range strings.Lines(out) {
				widest = max(widest, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
			}
			limit := map[int]int{0: 80, 1: 40, 1000: 200}[columns]
			require.LessOrEqual(t, widest, max(columns%1000, limit), "%d series:\n%s", n, out)
			for i := range n {
				require.Contains(t, out, fmt.Sprintf("%c way-%d", glyphs[i], i))
			}
			require.Contains(t, out, "1 ms ┤")
			require.Contains(t, out, "1 MiB")
			require.Contains(t, out, "33 KiB")
		}
	}
}

func TestTextPlain(t *testing.T) {
	c := costs(12)
	c.Series[0].Name, c.Regions[0].Label = "\x1b[31mµ→…日本", "\x07 → \x1b"
	out := asText(t, c, TextOptions{ASCII: true})
	require.Regexp(t, `^[\n\x20-\x7e]+$`, out)
	require.Contains(t, out, "us +")
	require.NotContains(t, asText(t, c, TextOptions{}), "\x1b")
	require.NotContains(t, asText(t, c, TextOptions{}), "\x07")
}

var escapes = regexp.MustCompile(`\x1b\[\d+m`)

// Colours are all that colours change, and each line ends without one.
func TestTextColor(t *testing.T) {
	plain, colored := asText(t, costs(12), TextOptions{}), asText(t, costs(12), TextOptions{Color: true})
	require.Equal(t, plain, escapes.ReplaceAllString(colored, ""))
	for line := range strings.Lines(colored) {
		if all := escapes.FindAllString(line, -1); all != nil {
			require.Equal(t, "\x1b[0m", all[len(all)-1], "%q", line)
		}
	}
	require.Contains(t, colored, "\x1b[36m")
}

// Where lines lie: the dear end of a line is above its cheap one, and to the right.
func TestTextPlaces(t *testing.T) {
	c := &Lines{X: Axis{"size", Bytes}, Y: Axis{"time", Nanoseconds}, Series: []Series{{Name: "a", Points: []Point{{X: 1 << 20, Y: 1e6}, {X: 64, Y: 1e3}}}}}
	lines := strings.Split(asText(t, c, TextOptions{Columns: 60}), "\n")
	var at [][2]int
	for row, line := range lines {
		line, _, _ := strings.Cut(line, " a")
		if column := strings.IndexByte(line, 'o'); column >= 0 && strings.ContainsAny(line, "│┤") {
			at = append(at, [2]int{row, len([]rune(line[:column]))})
		}
	}
	require.Len(t, at, 2, strings.Join(lines, "\n"))
	require.Less(t, at[0][0], at[1][0])
	require.Greater(t, at[0][1], 50)
	require.Less(t, at[1][1], 12)
}

// What no scale can show is left out; what is left is drawn.
func TestTextBadPoints(t *testing.T) {
	for _, p := range badPoints {
		c := costs(1)
		c.Series = append(c.Series, Series{Name: "bad", Points: []Point{p}})
		require.Equal(t, asText(t, costs(1), TextOptions{}), asText(t, c, TextOptions{}), "%+v", p)
		c.Series = c.Series[1:]
		require.Equal(t, "nothing to draw\n", asText(t, c, TextOptions{}))
	}
	for _, p := range []Point{{X: 1, Y: 1}, {X: math.SmallestNonzeroFloat64, Y: math.MaxFloat64}, {X: 64, Y: 1, Low: math.NaN(), High: math.Inf(1)}} {
		require.Contains(t, asText(t, &Lines{Series: []Series{{Name: "one", Points: []Point{p}}}}, TextOptions{}), "o one")
	}
}

var badPoints = []Point{{}, {X: 1, Y: math.NaN()}, {X: math.NaN(), Y: 1}, {X: 1, Y: math.Inf(1)}, {X: math.Inf(1), Y: 1}, {X: -1, Y: 1}, {X: 1, Y: -1}, {X: 0, Y: 1}}
