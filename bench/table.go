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

// WriteTable writes the report for people: the machine, a block for each size, models,
// crossovers, verdicts and the cases in which shared memory loses.
func (r *Report) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	t := tableWriter{&b, r}
	_ = t.begin() // a Buffer takes everything
	for i, x := range r.Results {
		if i == 0 || x.Bytes != r.Results[i-1].Bytes {
			_ = t.size(x.Bytes)
		}
	}
	_ = t.end()
	_, err := w.Write(b.Bytes())
	return err
}

// A tableWriter writes the table of a report in parts, as they are measured. Each part is
// one Write; nothing is written if w is nil.
type tableWriter struct {
	w io.Writer
	r *Report
}

func (t tableWriter) write(b *bytes.Buffer) error {
	if t.w == nil {
		return nil
	}
	_, err := t.w.Write(b.Bytes())
	return err
}

func (t tableWriter) begin() error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v\n", t.r.Machine)
	return t.write(&b)
}

// size writes the block of one size, and what is to be said of its rows.
func (t tableWriter) size(size int64) error {
	var b bytes.Buffer
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(&b, "\n%s of %s%s, touch %s\n", t.r.Payload, FormatSize(size), t.rows(size), t.r.Payload.Touch)
	fmt.Fprintf(tw, "%-13s\tmedian\t[low–high]\tgob-reused/it\t[low–high]\tone: p50\tp90\tp99\tcopied\tCPU here\tCPU there\t\n", "strategy")
	var notes []string
	for _, x := range t.r.Results {
		if x.Bytes != size {
			continue
		}
		ratio, span := t.ratio(x)
		fmt.Fprintf(tw, "%-13s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", x.Strategy, stat.Time(x.MedianNS), between(x.LowNS, x.HighNS, stat.Time),
			ratio, span, orBlank(x.P50NS), orBlank(x.P90NS), orBlank(x.P99NS), stat.Size(x.CopiedBytes), orBlank(x.CPUSenderNS), orBlank(x.CPUReceiverNS))
		switch x.Answer {
		case rightAnswer:
		case wrongAnswer:
			notes = append(notes, x.Strategy+": WRONG ANSWERS")
		default:
			notes = append(notes, x.Strategy+": "+x.Answer)
		}
		if x.PausedNS != nil && x.Strategy == shmResident {
			notes = append(notes, fmt.Sprintf("%s: back to back %s, one at a time after a pause of %v %s",
				x.Strategy, stat.Time(x.MedianNS), pauseTime, stat.Time(*x.PausedNS)))
		}
	}
	tw.Flush()
	notes = append(notes, t.busy(size)...)
	for _, x := range t.r.LeftOut {
		if x.Bytes == size {
			notes = append(notes, x.Strategy+": left out, "+x.Why)
		}
	}
	for _, note := range notes {
		fmt.Fprintf(&b, "  %s\n", note)
	}
	return t.write(&b)
}

// rows says how many of a file's rows a size is.
func (t tableWriter) rows(size int64) string {
	if t.r.Payload.File != nil {
		for _, x := range t.r.Results {
			if x.Bytes == size {
				return fmt.Sprintf(", %d of %d rows", x.N, t.r.Payload.File.Rows)
			}
		}
	}
	return ""
}

// busy says how many rows of a size the machine was too busy for, and why.
func (t tableWriter) busy(size int64) (notes []string) {
	rows, busy := 0, 0
	var why []string
	for _, x := range t.r.Results {
		if x.Bytes != size {
			continue
		}
		rows++
		if x.Busy == "" {
			continue
		}
		busy++
		if !slices.Contains(why, x.Busy) {
			why = append(why, x.Busy)
		}
	}
	if busy == 0 {
		return nil
	}
	return []string{fmt.Sprintf("too busy: %d of %d rows: %s", busy, rows, strings.Join(why, "; "))}
}

// ratio is how many times as long gob-reused takes, and the interval of that.
func (t tableWriter) ratio(x Result) (ratio, span string) {
	p, ok := t.r.pair(gobReused, x.Strategy, x.Bytes)
	switch {
	case !ok:
		return "", ""
	case p.Verdict == string(stat.NotSeparated):
		return stat.Number(p.Ratio) + "x", p.Verdict
	}
	return stat.Number(p.Ratio) + "x", between(p.Low, p.High, stat.Number)
}

// end writes what follows from all sizes together.
func (t tableWriter) end() error {
	var b bytes.Buffer
	r := t.r
	for i, x := range r.LeftOut {
		if x.Bytes == 0 {
			if i == 0 {
				fmt.Fprintf(&b, "\nleft out\n")
			}
			fmt.Fprintf(&b, "  %s: %s\n", x.Strategy, x.Why)
		}
	}
	t.models(&b)
	if len(r.Crossovers) > 0 {
		fmt.Fprintf(&b, "\ncrossovers: from which size on the second is faster than the first\n")
	}
	for _, c := range r.Crossovers {
		fmt.Fprintf(&b, "  %s, %s: %s\n", c.A, c.B, c.short())
	}
	if len(r.Losing) > 0 {
		fmt.Fprintf(&b, "\nwhere shared memory loses\n")
	}
	for _, x := range r.Losing {
		fmt.Fprintf(&b, "  %s at %s: %s times as long as %s\n", x.Strategy, FormatSize(x.Bytes), stat.Number(x.Ratio), x.Than)
	}
	fmt.Fprintf(&b, "\n")
	for _, note := range r.Method.Notes {
		fmt.Fprintf(&b, "%s\n", note)
	}
	fmt.Fprintf(&b, "\n%s\n", strings.Join(r.Verdicts, "\n"))
	if len(r.Advice) > 0 {
		fmt.Fprintf(&b, "\nwhat to do\n")
	}
	for _, a := range r.Advice {
		fmt.Fprintf(&b, "  %s: %s\n", FormatSize(a.Task.ValueBytes), a)
	}
	return t.write(&b)
}

func (t tableWriter) models(b *bytes.Buffer) {
	if len(t.r.Models) == 0 {
		return
	}
	fmt.Fprintf(b, "\nmodels: time = fixed + bytes × slope\n")
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, m := range t.r.Models {
		for i, p := range m.Pieces {
			name, verified := "", ""
			if i == 0 {
				name, verified = m.Strategy, m.Verified
			}
			fmt.Fprintf(tw, "  %-13s\tfrom %s\t%s\t+ %s/MiB\t  %s\n", name, stat.Size(p.FromBytes), stat.Time(p.FixedNS), stat.Time(p.NSPerByte*(1<<20)), verified)
		}
	}
	tw.Flush()
}

func (p PayloadInfo) String() string {
	if p.DType != "" && p.File == nil {
		return p.DType + " array"
	}
	return p.Name
}

func orBlank(ns *float64) string {
	if ns == nil {
		return ""
	}
	return stat.Time(*ns)
}

// between is an interval; "" without one.
func between(low, high *float64, format func(float64) string) string {
	if low == nil || high == nil {
		return ""
	}
	return "[" + format(*low) + "–" + format(*high) + "]"
}
