package bench

import (
	"fmt"
	"io"
	"strings"

	"example.com/handoff/bench/stat"
)

// WriteMarkdown writes the medians with their intervals as one Markdown table, a row for
// each strategy and a column for each size, and below it the machine, the crossovers and
// what to do. What the machine was too busy for has a mark.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	sizes := r.sizes()
	fmt.Fprintf(&b, "| %s, touch %s |", r.Payload, r.Payload.Touch)
	for _, size := range sizes {
		fmt.Fprintf(&b, " %s |", sizeText(size))
	}
	b.WriteString("\n| --- |" + strings.Repeat(" --: |", len(sizes)) + "\n")
	busy, missing := 0, false
	for _, name := range r.strategies() {
		fmt.Fprintf(&b, "| `%s` |", name)
		for _, size := range sizes {
			x, ok := r.result(name, size)
			mark := ""
			switch {
			case !ok:
				b.WriteString(" – |")
				missing = true
				continue
			case x.Answer == wrongAnswer:
				mark = " **wrong answers**"
			case x.Busy != "":
				busy++
				mark = " †"
			}
			fmt.Fprintf(&b, " %s |", strings.Join(nonEmpty(stat.Time(x.MedianNS)+mark, between(x.LowNS, x.HighNS, stat.Time)), "<br>"))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "\nMedians of one run, in brackets their intervals of %s: %s, %s.\n", percent(r.Method.Confidence),
		r.Method.Started.UTC().Format("2006-01-02 15:04 UTC"), strings.TrimSpace(r.Machine.String()))
	if busy > 0 {
		fmt.Fprintf(&b, "†: the machine was too busy, %d of %d figures.\n", busy, len(r.Results))
	}
	if missing {
		b.WriteString("–: left out, one handoff takes too long.\n")
	}
	b.WriteString("\n")
	for _, c := range r.Crossovers {
		fmt.Fprintf(&b, "- %s against %s: %s\n", c.B, c.A, strings.Join(nonEmpty(c.plain(), sentence(c.Verified)), " "))
	}
	for _, text := range r.todo() {
		fmt.Fprintf(&b, "- %s\n", text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
