package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"example.com/handoff/bench/stat"
)

// WriteMarkdown writes the medians as one Markdown table, a row for each strategy and a
// column for each size, and below it the crossovers and the verdicts.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var sizes []int64
	var names []string
	cells := map[string]map[int64]string{}
	for _, x := range r.Results {
		if !slices.Contains(sizes, x.Bytes) {
			sizes = append(sizes, x.Bytes)
		}
		if cells[x.Strategy] == nil {
			names, cells[x.Strategy] = append(names, x.Strategy), map[int64]string{}
		}
		cells[x.Strategy][x.Bytes] = stat.Time(x.MedianNS)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| %s, touch %s |", r.Payload, r.Payload.Touch)
	for _, size := range sizes {
		fmt.Fprintf(&b, " %s |", FormatSize(size))
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --: |", len(sizes)) + "\n")
	for _, name := range names {
		fmt.Fprintf(&b, "| `%s` |", name)
		for _, size := range sizes {
			fmt.Fprintf(&b, " %s |", cells[name][size])
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "\nMedians of one run: %s.\n\n", strings.TrimSpace(r.Machine.String()))
	for _, v := range r.Verdicts {
		fmt.Fprintf(&b, "- %s\n", v)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
