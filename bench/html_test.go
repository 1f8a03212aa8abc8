package bench

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/bench/internal/chart"
)

func asHTML(t *testing.T, r *Report) string {
	var b bytes.Buffer
	require.NoError(t, r.WriteHTML(&b))
	return b.String()
}

var (
	tags       = regexp.MustCompile(`<[^>]*>`)
	jsonPart   = regexp.MustCompile(`(?s)<pre id="report-json"[^>]*>(.*?)</pre>`)
	idAttr     = regexp.MustCompile(` id="([^"]*)"`)
	headings   = regexp.MustCompile(`<h([1-6])`)
	requesting = regexp.MustCompile(`(?i)<(script|link|img|iframe|object|embed|audio|video|source|base|form|a)[\s>]|url\(|@import|\son\w+=|https?://`)
)

func TestWriteHTML(t *testing.T) {
	page := asHTML(t, pictured())
	words := func(page string) string {
		return strings.ReplaceAll(html.UnescapeString(tags.ReplaceAllString(page, "")), "\u00a0", " ")
	}
	for _, want := range append(Strategies(), "From 32.3 KiB on, a new shared-memory segment is faster than gob for quotes.", "gob-reused against shm-fresh was confirmed.", "Example CPU",
		"The machine was too busy for 1 of 65 figures", "6.9 times as long as gob-reused", "the hypervisor stole 7.1 % of the time", "wrong by 12 %", "one handoff would take longer",
		"All intervals are of 95 %.", "2 workers", "113 ms of each handoff of 64 MiB", "it should not be serialized for each task", "19.5 s in a job of 10000 tasks", "main.Quotes") {
		require.Contains(t, words(page), want)
	}
	for _, r := range pictured().Results {
		require.Contains(t, page, "<td>"+pictured().cells(r)[0]+"</td>")
	}
	require.NotContains(t, page, "was not measured in this run")
	require.Equal(t, page, asHTML(t, pictured()), "the same report makes the same page")
	require.ErrorIs(t, pictured().WriteHTML(fails{}), io.ErrShortWrite)
}

// A page asks for nothing and runs nothing, whatever is in the report; its JSON is the
// report's.
func TestHTMLContained(t *testing.T) {
	for _, r := range []*Report{pictured(), hostile(), newReport(Machine{}), {}} {
		page := asHTML(t, r)
		require.Contains(t, page, `content="default-src 'none'; style-src 'unsafe-inline'"`)
		part := jsonPart.FindStringSubmatch(page)
		require.NotNil(t, part)
		rest := strings.ReplaceAll(page, part[1], "")
		for _, tag := range tags.FindAllString(strings.ReplaceAll(rest, `xmlns="http://www.w3.org/2000/svg"`, ""), -1) {
			require.NotRegexp(t, requesting, tag)
		}
		require.NotContains(t, rest, "<script")
		require.Equal(t, 1, strings.Count(rest, "</style>"))
		require.NotContains(t, part[1], "<")
		var back, want Report
		var all bytes.Buffer
		require.NoError(t, r.WriteJSON(&all))
		require.NoError(t, json.Unmarshal(all.Bytes(), &want))
		require.NoError(t, json.Unmarshal([]byte(html.UnescapeString(part[1])), &back))
		require.Equal(t, want, back)

		seen := map[string]bool{}
		for _, id := range idAttr.FindAllStringSubmatch(rest, -1) {
			require.False(t, seen[id[1]], "id %q twice", id[1])
			seen[id[1]] = true
		}
		level := "0"
		for _, h := range headings.FindAllStringSubmatch(rest, -1) {
			require.LessOrEqual(t, h[1][0], level[0]+1, "a level of headings is left out")
			level = h[1]
		}
	}
}

func TestHTMLWithoutParts(t *testing.T) {
	page := asHTML(t, newReport(Machine{}))
	for _, want := range []string{"<h1>Nothing was measured.</h1>", "Memory by number of workers was not measured in this run.", "nothing to draw", "There are none."} {
		require.Contains(t, page, want)
	}
}

func TestFinding(t *testing.T) {
	size := func(n int64) *int64 { return &n }
	for _, tt := range []struct {
		name       string
		crossovers []Crossover
		headline   string
		sure       string
	}{
		{"the pair that matters", []Crossover{{A: "shm-copy", B: "goroutine", Always: "b"}, {A: gobReused, B: shmFresh, Bytes: size(4096), Verified: "wrong by 30 %"}},
			"From 4.00 KiB on, a new shared-memory segment is faster than gob for quotes.", "was wrong by 30 %."},
		{"not confirmed", []Crossover{{A: gobReused, B: shmFresh, Bytes: size(4096), Low: size(2048), High: size(8192), Verified: "not confirmed: no time"}},
			"A new shared-memory segment overtakes gob for quotes somewhere between 2.00 KiB and 8.00 KiB. Measured afresh, that was not confirmed.", "was not confirmed: no time"},
		{"never", []Crossover{{A: gobReused, B: shmFresh, Always: "a"}}, "gob is faster than a new shared-memory segment for quotes wherever they are separated.", "not measured a second time"},
		{"always", []Crossover{{A: gobReused, B: shmCopy, Always: "b", Verified: "confirmed"}}, "A copy into shared memory is faster than gob for quotes wherever they are separated.", "was confirmed"},
		{"not separated", []Crossover{{A: gobReused, B: shmCopy}}, "Neither a copy into shared memory nor gob is the faster one for quotes.", ""},
		{"twice", []Crossover{{A: gobReused, B: shmFresh, Bytes: size(4096)}, {A: shmFresh, B: gobReused, Bytes: size(1 << 20)}}, "A new shared-memory segment and gob win in turn for quotes.", ""},
		{"another pair", []Crossover{{A: "pipe-raw", B: "value", Bytes: size(1 << 20)}}, "From 1.00 MiB on, a value as argument is faster than pipe-raw for quotes.", ""},
		{"none", nil, "What handing over quotes costs", "All intervals are of 95 %."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := pictured()
			r.Crossovers = tt.crossovers
			f := r.finding()
			require.Equal(t, tt.headline, f.Headline)
			require.Contains(t, f.Sure, tt.sure)
		})
	}
	r := pictured()
	r.Results[3].Answer = wrongAnswer
	require.Equal(t, "Do not use these figures.", r.finding().Headline)
	require.Contains(t, r.finding().Sure, r.Results[3].Strategy)

	r = pictured()
	for i := range r.Results {
		if r.Results[i].Strategy == shmFresh {
			r.Results[i].MedianNS *= 100
		}
	}
	require.Contains(t, r.finding().Saves, "Nothing at 64 MiB")
}

// The sizes whose samples are drawn: the ends and both sides of the crossover.
func TestSpreadSizes(t *testing.T) {
	require.Equal(t, []int64{64, 4 << 10, 64 << 10, 64 << 20}, pictured().spreadSizes())
	r := pictured()
	r.Crossovers = nil
	require.Equal(t, []int64{64, 1 << 20, 64 << 20}, r.spreadSizes())
	r.Results = r.Results[:1]
	require.Equal(t, []int64{64}, r.spreadSizes())
	require.Empty(t, newReport(Machine{}).spreadSizes())
}

// The page has the colours of its pictures.
func TestHTMLColors(t *testing.T) {
	for name, s := range map[string]chart.Shade{"paper": chart.Paper, "ink": chart.Ink, "faint": chart.Faint, "rule": chart.Rule, "accent": chart.Colors[3]} {
		for _, color := range []string{s.Light, s.Dark} {
			require.Contains(t, pageStyle, "--"+name+":"+color)
		}
	}
}
