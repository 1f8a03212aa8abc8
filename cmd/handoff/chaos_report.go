package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

const (
	verdictGood = "good"
	verdictBad  = "bad"
)

// A chaosReport is what a test has found, in the JSON of `handoff chaos --json`.
type chaosReport struct {
	Verdict     string             `json:"verdict"` // good or bad
	Problems    []string           `json:"problems"`
	Seed        uint64             `json:"seed"`
	EveryS      float64            `json:"every_s"`
	Undisturbed chaosRound         `json:"undisturbed"`
	Rounds      []chaosRound       `json:"rounds"`
	Faults      map[chaosFault]int `json:"faults"`     // of all rounds
	Resumes     int                `json:"resumes"`    // of all rounds
	GaveUp      int                `json:"gave_up"`    // of these, after a run that failed since its workers were hit
	Lost        int64              `json:"lost"`       // chunks
	Duplicated  int64              `json:"duplicated"` // chunks that were committed twice
	Redone      int64              `json:"redone"`     // chunks that were committed and run again
	SameBytes   bool               `json:"same_bytes"`
	Residue     []string           `json:"residue"`  // what the runs have left
	Swept       int                `json:"swept"`    // segments of killed runs that it took a `handoff shm gc` to remove
	Evidence    string             `json:"evidence"` // the folder with the outputs of a bad test; empty
	Repeat      string             `json:"repeat"`   // the command line
}

// A chaosRound is one job from its beginning to its end.
type chaosRound struct {
	Faults   map[chaosFault]int `json:"faults"`
	Runs     int                `json:"runs"`
	GaveUp   int                `json:"gave_up"`       // of these, those that failed since their workers were hit
	Chunks   int64              `json:"chunks"`        // in each of the passes, as the journal has them
	Reused   int64              `json:"chunks_reused"` // by the last run
	Attempts int64              `json:"attempts"`      // of tasks, of all runs
	WallS    float64            `json:"wall_s"`
	Same     bool               `json:"same_bytes"`
}

func (r *chaosReport) problem(round int, format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf("round %d: ", round)+fmt.Sprintf(format, args...))
}

// judge adds the rounds up.
func (r *chaosReport) judge(faults []chaosFault) {
	r.Faults = map[chaosFault]int{}
	for _, f := range faults {
		r.Faults[f] = 0
	}
	r.SameBytes = true
	for _, round := range r.Rounds {
		for f, n := range round.Faults {
			r.Faults[f] += n
		}
		r.Resumes += max(round.Runs-1, 0)
		r.GaveUp += round.GaveUp
		r.SameBytes = r.SameBytes && round.Same
	}
	if r.dealt() == 0 && len(r.Problems) == 0 {
		r.Problems = append(r.Problems, "no fault has hit the job, so nothing was tested: it is too short; take a larger input, more --rounds or a shorter --every")
	}
	r.Verdict = verdictGood
	if len(r.Problems) > 0 {
		r.Verdict = verdictBad
	}
}

func (r *chaosReport) dealt() (n int) {
	for _, k := range r.Faults {
		n += k
	}
	return n
}

// write is the report for people.
func (r *chaosReport) write(out io.Writer, faults []chaosFault) {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "FAULT\tHITS")
	for _, f := range faults {
		fmt.Fprintf(w, "%s\t%d\n", f, r.Faults[f])
	}
	w.Flush()
	fmt.Fprintln(out)
	fmt.Fprintln(w, "ROUND\tRUNS\tFAULTS\tCHUNKS\tREUSED\tATTEMPTS\tWALL\tBYTES")
	line := func(name string, c chaosRound, bytes string) {
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
	if none := slices.DeleteFunc(slices.Clone(faults), func(f chaosFault) bool { return r.Faults[f] > 0 }); len(none) > 0 {
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
		r.Verdict, r.dealt(), r.Resumes, r.Lost, r.Duplicated, r.Redone, len(r.Residue), r.Seed, r.EveryS)
}
