package bench

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"example.com/handoff/bench/stat"
)

// WriteTable writes the report for people: the machine, a block for each size,
// the crossovers and the verdict.
func (r *Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v\n", r.Machine)
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	size := int64(-1)
	for _, x := range r.Results {
		if x.Bytes != size {
			size = x.Bytes
			tw.Flush() // columns are as wide as one block needs
			fmt.Fprintf(&b, "\nfloat64 array of %s, touch %s\n", FormatSize(size), r.Payload.Touch)
			fmt.Fprintf(tw, "%-13s\tmedian\tmin\tmax\tcopied\tvs gob-reused\tsamples\tanswers\t\n", "strategy")
		}
		fmt.Fprintf(tw, "%-13s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t\n", x.Strategy, stat.Time(x.MedianNS), stat.Time(slices.Min(x.SamplesNS)), stat.Time(slices.Max(x.SamplesNS)),
			stat.Size(x.CopiedBytes), r.ratio(x), x.Rounds, answers(x.Answer))
	}
	tw.Flush()
	if len(r.Crossovers) > 0 {
		fmt.Fprintf(&b, "\nfrom which size on the second is never slower than the first\n")
	}
	for _, c := range r.Crossovers {
		fmt.Fprintf(&b, "%s, %s: %s\n", c.A, c.B, c.short())
	}
	fmt.Fprintf(&b, "\nA sample is the mean of back-to-back handoffs that take about %v, at least one; strategies alternate sample by sample.\n", sampleTime)
	fmt.Fprintf(&b, "Only ratios within one run carry over to another time or machine.\n")
	fmt.Fprintf(&b, "\n%s\n", strings.Join(r.Verdicts, "\n"))
	_, err := w.Write(b.Bytes())
	return err
}

// ratio is the time of gob-reused over that of x, as "2.10x"; "-" if gob-reused was not
// measured at this size.
func (r *Report) ratio(x Result) string {
	gob, ok := r.median(gobReused, x.Bytes)
	if !ok || x.MedianNS == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2fx", gob/x.MedianNS)
}

func answers(answer string) string {
	if answer == wrongAnswer {
		return "WRONG"
	}
	return answer
}

func (c Crossover) short() string {
	switch {
	case c.Bytes != nil:
		return stat.Size(*c.Bytes)
	case c.Always == "b":
		return "all measured sizes"
	case c.Always == "a":
		return "no measured size: always slower"
	}
	return "none"
}
