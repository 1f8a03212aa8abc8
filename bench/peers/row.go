package main

import (
	"context"
	"fmt"
	"strings"

	"example.com/handoff/bench/stat"
)

// A row is one line of the table: a ratio of our way to another one.
type row struct {
	name  string
	goal  goal
	place place
	bytes bool // samples are bytes, not nanoseconds
	// setup makes both sides ready. What it starts is ended by the session.
	setup func(ctx context.Context, s *session) (ours, theirs stat.Side, err error)
}

// A place says on which cores a row runs.
type place string

const (
	anywhere place = ""
	oneCore  place = "one core"  // everything on one core, GOMAXPROCS 1
	twoCores place = "two cores" // this process on one, its peers on another
)

// A goal bounds a ratio. A row without a goal is for information.
type goal struct {
	value float64
	least bool // at least value, and the ratio is theirs to ours; else at most, ours to theirs
}

func atMost(v float64) goal  { return goal{v, false} }
func atLeast(v float64) goal { return goal{v, true} }

func (g goal) met(ratio float64) bool {
	if g.least {
		return ratio >= g.value
	}
	return ratio <= g.value
}

func (g goal) String() string {
	switch {
	case g.value == 0:
		return "-"
	case g.least:
		return "≥ " + fraction(g.value)
	}
	return "≤ " + fraction(g.value)
}

// fraction is 1/x for small numbers.
func fraction(v float64) string {
	if v > 0 && v < 0.05 {
		return "1/" + stat.Number(1/v)
	}
	return stat.Number(v)
}

// rows is the table, in its order.
func rows() (all []row) {
	for _, family := range [][]row{roundTripRows, throughputRows, arrayRows, memoryRows, deathRows, kernelRows, residentRows} {
		all = append(all, family...)
	}
	return all
}

// choose returns the rows whose names contain one of the substrings, which are
// separated by commas; all for "".
func choose(substrings string) (chosen []row, err error) {
	matched := map[string]bool{}
	for _, r := range rows() {
		for word := range strings.SplitSeq(substrings, ",") {
			if strings.Contains(strings.ToLower(r.name), strings.ToLower(strings.TrimSpace(word))) {
				matched[word] = true
				if len(chosen) == 0 || chosen[len(chosen)-1].name != r.name {
					chosen = append(chosen, r)
				}
			}
		}
	}
	for word := range strings.SplitSeq(substrings, ",") {
		if !matched[word] {
			return nil, fmt.Errorf("no row has %q in its name; there are:%s", word, names())
		}
	}
	return chosen, nil
}

func names() string {
	var b strings.Builder
	for _, r := range rows() {
		fmt.Fprintf(&b, "\n  %s", r.name)
	}
	return b.String()
}

func find(name string) (row, error) {
	for _, r := range rows() {
		if r.name == name {
			return r, nil
		}
	}
	return row{}, fmt.Errorf("there is no row %q", name)
}
