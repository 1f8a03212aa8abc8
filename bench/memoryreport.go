package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"example.com/handoff/bench/stat"
)

// A MemoryReport is what one Memory has found. Its JSON form is an object with
// exactly these fields.
type MemoryReport struct {
	Machine Machine        `json:"machine"`
	Bytes   int64          `json:"bytes"` // of the array
	Results []MemoryResult `json:"results"`
	Growth  []MemoryGrowth `json:"growth"`  // one for each strategy
	Verdict string         `json:"verdict"` // one sentence
}

// A MemoryResult is one strategy with one number of workers. The sizes are sums
// over this process and the workers, in bytes, while every worker holds the array;
// Base is the same with 8 bytes in its place.
type MemoryResult struct {
	Strategy         string `json:"strategy"` // "gob" or "shm"
	Workers          int    `json:"workers"`
	Bytes            int64  `json:"bytes"`         // of the array that each worker holds
	PSSBytes         int64  `json:"pss_bytes"`     // a page that n processes map counts 1/n in each
	PrivateBytes     int64  `json:"private_bytes"` // mapped by one process alone
	BasePSSBytes     int64  `json:"base_pss_bytes"`
	BasePrivateBytes int64  `json:"base_private_bytes"`
}

// MemoryGrowth is how the memory of a strategy depends on the number of workers:
// what one more takes, less Base, as a part of the array, by least squares. 1 means
// that every worker has the array for itself.
type MemoryGrowth struct {
	Strategy         string  `json:"strategy"`
	PSSPerWorker     float64 `json:"pss_per_worker"`
	PrivatePerWorker float64 `json:"private_per_worker"`
	Verdict          string  `json:"verdict"` // "flat" or "grows", by PSSPerWorker
}

// growsFrom is from which PSSPerWorker on memory grows: what a worker's runtime
// takes for itself differs from run to run, by less than that of the least array.
const growsFrom = 0.25

// judge finds the growth of each strategy and says what follows.
func (r *MemoryReport) judge() {
	r.Growth = []MemoryGrowth{}
	var parts []string
	for i := 0; i < len(r.Results); {
		of := r.Results[i:]
		for n, x := range of {
			if x.Strategy != of[0].Strategy {
				of = of[:n]
				break
			}
		}
		i += len(of)
		g := MemoryGrowth{Strategy: of[0].Strategy, Verdict: "flat"}
		verb := "is flat"
		g.PSSPerWorker = slope(of, func(x MemoryResult) int64 { return x.PSSBytes - x.BasePSSBytes }) / float64(r.Bytes)
		g.PrivatePerWorker = slope(of, func(x MemoryResult) int64 { return x.PrivateBytes - x.BasePrivateBytes }) / float64(r.Bytes)
		if g.PSSPerWorker >= growsFrom {
			g.Verdict, verb = "grows", "grows"
		}
		r.Growth = append(r.Growth, g)
		last := of[len(of)-1]
		parts = append(parts, fmt.Sprintf("with %s memory %s: %.2f arrays more for each worker, %s in all with %d",
			g.Strategy, verb, g.PSSPerWorker, stat.Size(last.PSSBytes), last.Workers))
	}
	r.Verdict = fmt.Sprintf("An array of %s held by every worker: %s.", FormatSize(r.Bytes), strings.Join(parts, "; "))
}

// slope is bytes per worker, by least squares.
func slope(results []MemoryResult, of func(MemoryResult) int64) float64 {
	var n, x, y, xx, xy float64
	for _, r := range results {
		w, b := float64(r.Workers), float64(of(r))
		n, x, y, xx, xy = n+1, x+w, y+b, xx+w*w, xy+w*b
	}
	if d := n*xx - x*x; d != 0 {
		return (n*xy - x*y) / d
	}
	return 0
}

// WriteTable writes the report for people.
func (r *MemoryReport) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v\n\nfloat64 array of %s, held by every worker at once\n", r.Machine, FormatSize(r.Bytes))
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "strategy\tworkers\tPSS\tprivate\tPSS without\tprivate without\t\n")
	for _, x := range r.Results {
		fmt.Fprintf(tw, "%s\t%d\t%s\t%s\t%s\t%s\t\n", x.Strategy, x.Workers, stat.Size(x.PSSBytes), stat.Size(x.PrivateBytes),
			stat.Size(x.BasePSSBytes), stat.Size(x.BasePrivateBytes))
	}
	tw.Flush()
	fmt.Fprintf(&b, "\n")
	for _, g := range r.Growth {
		fmt.Fprintf(&b, "%s: %s, %.2f arrays of PSS and %.2f of private memory more for each worker\n", g.Strategy, g.Verdict, g.PSSPerWorker, g.PrivatePerWorker)
	}
	fmt.Fprintf(&b, "\nSums over this process and its workers, with garbage collected; \"without\" is with 8 bytes in the array's place.\n%s\n", r.Verdict)
	_, err := w.Write(b.Bytes())
	return err
}

// WriteJSON writes the report as one indented JSON object and a newline.
func (r *MemoryReport) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
