package chart

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStrips(t *testing.T) {
	for _, width := range widths {
		for _, n := range []int{0, 1, 12} {
			c := &Strips{ID: "strips", Title: "Spread", Desc: "of values", X: Axis{"time", Nanoseconds}}
			for i := range n {
				s := Strip{Name: fmt.Sprintf("way-%d", i), Look: Look{Color: i}}
				for k := range 1 + i*37 {
					s.Values = append(s.Values, 1000*float64(i+1)*(1+float64(k%10)/10))
				}
				c.Rows = append(c.Rows, s)
			}
			c.Rows = append(c.Rows, Strip{Name: "none"}, Strip{Name: "bad", Values: []float64{math.NaN(), 0, -1, math.Inf(1)}})
			e := parse(t, c.SVG(width))
			require.Len(t, texts(t, e, "name"), n)
			for _, class := range []string{"dots", "median", "whisker"} {
				require.Len(t, e.all("path", class), n)
			}
			if n == 12 {
				require.Equal(t, mostDots, strings.Count(e.all("path", "dots")[11].attr("d"), "M"))
			}
		}
	}
	require.Equal(t, 2.5, quantile([]float64{1, 2, 3, 4}, 0.5))
	require.Equal(t, 4.0, quantile([]float64{1, 2, 3, 4}, 1))
}

func TestBars(t *testing.T) {
	for _, width := range widths {
		c := &Bars{ID: "bars", Title: "Memory", Desc: "of ways", Groups: []Group{
			{"1 worker", []Bar{{"gob", "64 MiB", Look{}, 64, 8}, {"shm", "32 MiB", Look{Color: 3}, 32, 8}}},
			{strings.Repeat("long", 30), []Bar{{strings.Repeat("<&", 30), strings.Repeat("1", 50), Look{}, math.NaN(), 9}, {"less", "-1", Look{}, -1, 8}, {"base", "x", Look{}, 16, 20}}},
		}}
		e := parse(t, c.SVG(width))
		bars := e.all("rect", "bar")
		require.Len(t, bars, 10)
		whole := func(i int) float64 { return bars[2*i].number("width") + bars[2*i+1].number("width") }
		require.InDelta(t, whole(0), 2*whole(1), 0.3)
		require.InDelta(t, whole(0), 4*whole(4), 0.5)
		require.Zero(t, whole(2))
		require.Zero(t, whole(3))
		require.InDelta(t, whole(0), 8*bars[0].number("width"), 1)
	}
	parse(t, (&Bars{ID: "none", Title: "t", Desc: "d"}).SVG(400))
}
