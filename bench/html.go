package bench

import (
	"bytes"
	_ "embed" // html.tmpl and html.css
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"example.com/handoff/bench/internal/chart"
	"example.com/handoff/bench/stat"
)

//go:embed html.tmpl
var pageText string

//go:embed html.css
var pageStyle string

var pageTemplate = template.Must(template.New("report").Parse(pageText))

// A page is what html.tmpl shows.
type page struct {
	Style    template.CSS
	Report   *Report
	Answer   finding
	Started  string
	Cost     figure
	Spreads  []figure
	Memory   *figure // nil: not measured
	Advice   []string
	Cross    [][]string
	Losing   [][]string
	Models   [][]string
	LeftOut  [][]string
	Sizes    []pageSize
	Machine  [][2]string
	Method   []string
	JSON     string
	JSONSize string
}

// A pageSize is the rows of the table of figures for one size.
type pageSize struct {
	Size string
	Rows []pageRow
}

// A pageRow is one strategy. Remark is what is wrong with it.
type pageRow struct {
	Strategy string
	Cells    []string
	Remark   string
}

// WriteHTML writes the report as one HTML file for people: the answer first, then pictures,
// tables of all figures, and the JSON of the report. It has no script and asks for nothing
// from a network.
func (r *Report) WriteHTML(w io.Writer) error {
	var all bytes.Buffer
	if err := r.WriteJSON(&all); err != nil {
		return err
	}
	p := page{Style: template.CSS(pageStyle + chart.Style()), Report: r, Answer: r.finding(), Cost: r.costFigure(), Spreads: r.spreadFigures(),
		Advice: r.adviceSentences(), Cross: r.crossRows(), Losing: r.losingRows(), Models: r.modelRows(), LeftOut: r.leftOutRows(), Sizes: r.sizeRows(),
		Machine: r.Machine.rows(), Method: r.methodSentences(), JSON: all.String(), JSONSize: stat.Size(int64(all.Len()))}
	if !r.Method.Started.IsZero() {
		p.Started = r.Method.Started.UTC().Format("2 January 2006, 15:04 UTC")
	}
	if f, ok := r.memoryFigure(); ok {
		p.Memory = &f
	}
	var b bytes.Buffer
	if err := pageTemplate.Execute(&b, &p); err != nil {
		return fmt.Errorf("bench: report as HTML: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// adviceSentences are what the advice says; none if there is none.
func (r *Report) adviceSentences() (sentences []string) {
	a := r.Advice
	if a == nil {
		return nil
	}
	for _, clause := range []string{a.Rule(), a.Cheapest(), a.Saving()} {
		if clause != "" {
			sentences = append(sentences, sentence(clause))
		}
	}
	return sentences
}

const notMeasured = "–"

func timeCell(ns *float64) string {
	if ns == nil {
		return notMeasured
	}
	return stat.Time(*ns)
}

// columns of the table of figures, in the order of cells.
func (p *page) Columns() []string {
	return []string{"median", "from", "to", "p50", "p90", "p99", "after a pause", "CPU sender", "CPU receiver", "page faults", "copied", "canary", "placement", "rounds"}
}

func (x Result) cells() []string {
	faults := notMeasured
	if x.Faults != nil {
		faults = stat.Number(*x.Faults)
	}
	placement := x.Placement
	if placement == "" {
		placement = notMeasured
	}
	return []string{stat.Time(x.MedianNS), timeCell(x.LowNS), timeCell(x.HighNS), timeCell(x.P50NS), timeCell(x.P90NS), timeCell(x.P99NS), timeCell(x.PausedNS),
		timeCell(x.CPUSenderNS), timeCell(x.CPUReceiverNS), faults, stat.Size(x.CopiedBytes), timeCell(x.CanaryNS), placement, fmt.Sprint(x.Rounds)}
}

func (r *Report) sizeRows() (sizes []pageSize) {
	for i, x := range r.Results {
		if i == 0 || x.Bytes != r.Results[i-1].Bytes {
			sizes = append(sizes, pageSize{Size: fmt.Sprintf("%s (n = %d)", sizeText(x.Bytes), x.N)})
		}
		row := pageRow{Strategy: x.Strategy, Cells: x.cells()}
		var remarks []string
		if x.Busy != "" {
			remarks = append(remarks, "too busy: "+x.Busy)
		}
		if x.Answer != rightAnswer {
			remarks = append(remarks, "answer: "+x.Answer)
		}
		row.Remark = strings.Join(remarks, "; ")
		last := &sizes[len(sizes)-1]
		last.Rows = append(last.Rows, row)
	}
	return sizes
}

func (r *Report) crossRows() (rows [][]string) {
	size := func(n *int64) string {
		if n == nil {
			return notMeasured
		}
		return stat.Size(*n)
	}
	for _, c := range r.Crossovers {
		at := size(c.Bytes)
		if c.Bytes == nil {
			at = map[string]string{"a": "never: " + c.A + " is faster where they differ", "b": "none: " + c.B + " is faster where they differ"}[c.Always]
		}
		if at == "" {
			at = "none found"
		}
		verified := c.Verified
		if verified == "" {
			verified = "not verified"
		}
		rows = append(rows, []string{c.A + " → " + c.B, at, size(c.Low), size(c.High), verified})
	}
	return rows
}

func (r *Report) losingRows() (rows [][]string) {
	for _, l := range r.Losing {
		rows = append(rows, []string{l.Strategy, sizeText(l.Bytes), humanRatio(l.Ratio) + " times as long as " + l.Than})
	}
	return rows
}

func (r *Report) modelRows() (rows [][]string) {
	for _, m := range r.Models {
		var pieces []string
		for _, p := range m.Pieces {
			s := stat.Time(p.FixedNS) + " + " + stat.Number(p.NSPerByte) + " ns/B"
			if p.FromBytes > 0 {
				s += " from " + sizeText(p.FromBytes) + " on"
			}
			pieces = append(pieces, s)
		}
		right := 0
		for _, c := range m.Checks {
			if c.OK {
				right++
			}
		}
		verified := m.Verified
		if verified == "" {
			verified = "not verified"
		}
		if len(m.Checks) > 0 {
			verified += fmt.Sprintf(", %d of %d sizes as predicted", right, len(m.Checks))
		}
		rows = append(rows, []string{m.Strategy, strings.Join(pieces, "; "), verified})
	}
	return rows
}

func (r *Report) leftOutRows() (rows [][]string) {
	for _, l := range r.LeftOut {
		at := "at no size"
		if l.Bytes > 0 {
			at = sizeText(l.Bytes)
		}
		rows = append(rows, []string{l.Strategy, at, l.Why})
	}
	return rows
}

// rows are those fields of a machine that are known.
func (m Machine) rows() (rows [][2]string) {
	add := func(name, value string) {
		if value != "" && value != "0" && value != "0 B" {
			rows = append(rows, [2]string{name, value})
		}
	}
	add("CPU", m.CPU)
	add("Cores", fmt.Sprint(m.Cores))
	add("GOMAXPROCS", fmt.Sprint(m.GOMAXPROCS))
	add("Memory", stat.Size(m.MemoryBytes))
	add("System", strings.TrimSpace(strings.TrimPrefix(m.OS+"/"+m.Arch, "/")+" "+m.Kernel))
	add("Go", m.Go)
	add("/dev/shm", stat.Size(m.ShmBytes))
	add("Huge pages for shared memory", m.ShmHuge)
	add("Huge pages for the heap", m.HeapHuge)
	return rows
}

// methodSentences say how the figures came about.
func (r *Report) methodSentences() (s []string) {
	reads := "adds up every element"
	if r.Payload.Touch == TouchEnds {
		reads = "reads both ends"
	}
	s = append(s, fmt.Sprintf("A handoff goes from the value in the caller's hands to the answer in the caller's hands. The receiver %s, and its answer is checked.", reads))
	m := r.Method
	if m.SampleNS > 0 {
		s = append(s, fmt.Sprintf("A sample is the mean of as many handoffs, back to back, as take about %s, at least one. The samples of the strategies alternate.", time.Duration(m.SampleNS)))
	}
	if m.Confidence > 0 {
		s = append(s, fmt.Sprintf("The intervals have a confidence of %s.", percent(m.Confidence)))
	}
	if m.PauseNS > 0 {
		s = append(s, fmt.Sprintf("Percentiles are of handoffs timed one by one; \"after a pause\" is one that follows %s of rest, in which the peer went to sleep.", time.Duration(m.PauseNS)))
	}
	s = append(s, "The canary is a round trip between two threads that spin: it tells how far apart the cores were and how quiet the machine was.")
	if m.TookNS > 0 {
		s = append(s, fmt.Sprintf("The run took %s.", stat.Time(float64(m.TookNS))))
	}
	return append(s, m.Notes...)
}
