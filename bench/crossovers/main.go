// Crossovers compares what several runs of handoff bench have found for the same pair of
// strategies: whether a crossover that is found afresh lies where the others say it does.
//
//	go run ./bench/crossovers [-a gob-reused -b shm-fresh] run1.json run2.json …
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"example.com/handoff/bench"
	"example.com/handoff/bench/stat"
)

func main() {
	a := flag.String("a", "gob-reused", "the strategy that wins small payloads")
	b := flag.String("b", "shm-fresh", "the one that wins large ones")
	flag.Parse()
	var reports []*bench.Report
	for _, name := range flag.Args() {
		r, err := read(name)
		if err != nil {
			fmt.Fprintf(os.Stderr, "crossovers: %s: %v\n", name, err)
			os.Exit(1)
		}
		reports = append(reports, r)
	}
	if err := write(os.Stdout, reports, *a, *b); err != nil {
		fmt.Fprintln(os.Stderr, "crossovers:", err)
		os.Exit(1)
	}
}

func read(name string) (*bench.Report, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return bench.ReadReport(f)
}

// find is the crossover of a pair; nil if there is none, or more than one.
func find(r *bench.Report, a, b string) (found *bench.Crossover) {
	for i, c := range r.Crossovers {
		if c.A == a && c.B == b && c.Bytes != nil && c.Low != nil && c.High != nil {
			if found != nil {
				return nil
			}
			found = &r.Crossovers[i]
		}
	}
	return found
}

// write prints a line for each report, and what all have in common. In a line, inside is in how many of
// the other runs' [low, high] its bytes lie.
func write(w io.Writer, reports []*bench.Report, a, b string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "run\tbytes\tlow\thigh\thigh/low\tinside\tbusy rows\tplacement\ttook\t  verified\n")
	runs, all, inside, narrow, confirmed := 0, 0, 0, 0, 0
	for i, r := range reports {
		busy, placement := 0, ""
		for _, x := range r.Results {
			if x.Busy != "" {
				busy++
			}
			if x.Strategy == b && x.Placement != "" {
				placement = x.Placement
			}
		}
		took := stat.Time(float64(r.Method.TookNS))
		c := find(r, a, b)
		if c == nil {
			fmt.Fprintf(t, "%d\tnone, or more than one\t\t\t\t\t%d of %d\t%s\t%s\t\n", i+1, busy, len(r.Results), placement, took)
			continue
		}
		in, others := 0, 0
		for j, other := range reports {
			if o := find(other, a, b); o != nil && i != j {
				others++
				if *o.Low <= *c.Bytes && *c.Bytes <= *o.High {
					in++
				}
			}
		}
		ratio := float64(*c.High) / float64(*c.Low)
		runs, all, inside = runs+1, all+others, inside+in
		if ratio <= 1.5 {
			narrow++
		}
		if c.Verified == "confirmed" {
			confirmed++
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%.2f\t%d of %d\t%d of %d\t%s\t%s\t  %s\n", i+1, stat.Size(*c.Bytes), stat.Size(*c.Low), stat.Size(*c.High),
			ratio, in, others, busy, len(r.Results), placement, took, c.Verified)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s, %s: found in %d of %d runs, inside in %d of %d pairs of runs, high/low at most 1.5 in %d, confirmed in %d\n",
		a, b, runs, len(reports), inside, all, narrow, confirmed)
	return err
}
