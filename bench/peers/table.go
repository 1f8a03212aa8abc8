package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"example.com/handoff/bench/stat"
)

// A table prints rows as they come: for people.
type table struct {
	w      io.Writer
	widest int // name
}

func newTable(w io.Writer) *table {
	t := &table{w: w}
	for _, r := range rows() {
		t.widest = max(t.widest, utf8.RuneCountInString(r.name))
	}
	return t
}

const tableFormat = "%s  %8s  %8s  %17s  %-4s  %9s  %9s  %6s\n"

func (t *table) begin(m machine) {
	fmt.Fprintf(t.w, "%s, %d cores, Linux %s, %s\n\n", m.CPU, m.Cores, m.Kernel, m.Go)
	fmt.Fprintf(t.w, tableFormat, t.pad("ours / theirs"), "ratio", "goal", "95 %", "met", "ours", "theirs", "canary")
}

// pad counts characters, as fmt's width does not for strings with µ in them.
func (t *table) pad(s string) string {
	return s + strings.Repeat(" ", max(0, t.widest-utf8.RuneCountInString(s)))
}

func (t *table) row(r result) {
	name := t.pad(r.Name)
	switch {
	case r.Skipped != "":
		fmt.Fprintf(t.w, "%s  skipped: %s\n", name, oneLine(r.Skipped))
	case r.Error != "":
		fmt.Fprintf(t.w, "%s  FAILED: %s\n", name, oneLine(r.Error))
	case r.Summary != nil:
		met := "-"
		if r.Met != nil && *r.Met {
			met = "yes"
		} else if r.Met != nil {
			met = "NO"
		}
		if r.Met != nil && r.open(r.row.goal) {
			met += "?"
		}
		fmt.Fprintf(t.w, tableFormat, name, fraction(r.Ratio), r.row.goal, r.interval(), met,
			amount(r.OursMid, r.row.bytes), amount(r.TheirMid, r.row.bytes), nanoseconds(r.Canary))
	}
}

func (t *table) end(r *report) {
	low, high := r.Canary, r.Canary
	for _, res := range r.Rows {
		low, high = min(low, res.Canary), max(high, res.Canary)
	}
	fmt.Fprintf(t.w, tableFormat, t.pad(""), "", "", "", "", "", "", nanoseconds(r.Canary))
	fmt.Fprintf(t.w, `
ratio      median over pairs of samples taken in turn; ours to theirs where the goal is ≤, theirs to ours where it is ≥
95 %%       interval for the median of the ratios, by the sign test; none for fewer than six pairs
met        with ? where the goal is not outside the interval: another run may say otherwise
range      ours is one ForRange, whose workers take blocks of indices; theirs is one message for each index
canary     round trip between two spinning threads before the row: from %s to %s here; where it is high, the cores were far apart
Only ratios within one run carry over to another time or machine.
`, nanoseconds(low), nanoseconds(high))
}

// interval is that of the ratio.
func (s Summary) interval() string {
	if s.Low == nil {
		return "-"
	}
	return fraction(*s.Low) + " – " + fraction(*s.High)
}

// open reports whether the interval does not say if the goal is met.
func (s Summary) open(g goal) bool { return s.Low == nil || g.met(*s.Low) != g.met(*s.High) }

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func nanoseconds(ns float64) string {
	if ns == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f ns", ns)
}

func amount(v float64, bytes bool) string {
	if bytes {
		return stat.Size(v)
	}
	return stat.Time(v)
}
