package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"example.com/handoff/cmd/handoff/internal/chaos"
)

// writeChaos is the report for people.
func writeChaos(out io.Writer, r *chaos.Report, faults []chaos.Fault) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "FAULT\tHITS")
	for _, f := range faults {
		fmt.Fprintf(w, "%s\t%d\n", f, r.Faults[f])
	}
	w.Flush()
	fmt.Fprintln(out)
	fmt.Fprintln(w, "ROUND\tRUNS\tFAULTS\tCHUNKS\tREUSED\tATTEMPTS\tWALL\tBYTES")
	line := func(name string, c chaos.Round, bytes string) {
		n := 0
		for k := range maps.Values(c.Faults) {
			n += k
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%.2f s\t%s\n", name, c.Runs, n, c.Chunks, c.Reused, c.Attempts, c.WallS, bytes)
	}
	line("undisturbed", r.Undisturbed, "")
	for i, c := range r.Rounds {
		bytes := "same"
		if !c.Same {
			bytes = "differ"
		}
		line(fmt.Sprint(i+1), c, bytes)
	}
	w.Flush()
	fmt.Fprintln(out)
	if none := slices.DeleteFunc(slices.Clone(faults), func(f chaos.Fault) bool { return r.Faults[f] > 0 }); len(none) > 0 {
		var names []string
		for _, f := range none {
			names = append(names, string(f))
		}
		fmt.Fprintf(out, "never hit: %s (the job is short: more --rounds, or a shorter --every)\n", strings.Join(names, ", "))
	}
	if r.GaveUp > 0 {
		fmt.Fprintf(out, "%d runs failed since their workers were hit as soon as they were there, and were resumed\n", r.GaveUp)
	}
	for _, p := range r.Problems {
		fmt.Fprintln(out, "problem:", printable(p))
	}
	for _, p := range r.Residue {
		fmt.Fprintln(out, "left:", printable(p))
	}
	if r.Evidence != "" {
		fmt.Fprintln(out, "both outputs, the state and what the runs said are in", printable(r.Evidence))
	}
	fmt.Fprintf(out, "verdict: %s: %d faults, %d resumes, lost %d, duplicated %d, run again %d, left %d (seed %d, every %.3g s)\n",
		r.Verdict, r.Dealt(), r.Resumes, r.Lost, r.Duplicated, r.Redone, len(r.Residue), r.Seed, r.EveryS)
}
