package bench

import (
	"bytes"
	"cmp"
	_ "embed" // html.tmpl and html.css
	"fmt"
	"html/template"
	"io"
	"regexp"
	"strings"
	"time"

	"example.com/handoff/bench/internal/chart"
	"example.com/handoff/bench/stat"
)

//go:embed html.tmpl
var pageText string

//go:embed html.css
var pageStyle string

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{"units": holdUnits}).Parse(pageText))

// A quantity is a number and the unit that it must not be parted from.
var quantity = regexp.MustCompile(`(\d) (B|KiB|MiB|GiB|ns|µs|ms|s|%|×)([^\pL\d]|$)`)

// holdUnits keeps numbers and their units on one line.
func holdUnits(s string) string { return quantity.ReplaceAllString(s, "$1\u00a0$2$3") }

// A page is what html.tmpl shows.
type page struct {
	Style    template.CSS
	Report   *Report
	Answer   finding
	Started  string
	Winners  []winnerRow
	Cost     figure
	Ways     [][]string
	Cross    [][]string
	Losing   [][]string
	Spreads  []figure
	Memory   *figure // nil: not measured
	Sizes    []pageSize
	LeftOut  [][]string
	Models   [][]string
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

// A pageRow is one strategy. Busy is set if the machine was too busy for it; Remark is what
// is wrong with it.
type pageRow struct {
	Strategy string
	Cells    []string
	Busy     bool
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
	p := page{Style: template.CSS(pageStyle + chart.Style()), Report: r, Answer: r.finding(), Winners: r.winnerRows(), Cost: r.costFigure(), Ways: r.wayRows(),
		Cross: r.crossRows(), Losing: r.losingRows(), Spreads: r.spreadFigures(), Sizes: r.sizeRows(), LeftOut: r.leftOutRows(), Models: r.modelRows(),
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

const notMeasured = "–"

func timeCell(ns *float64) string {
	if ns == nil {
		return notMeasured
	}
	return stat.Time(*ns)
}

// Columns are those of the table of figures, in the order of cells.
func (p *page) Columns() []string {
	return []string{"median", "from", "to", "gob-reused takes", "p50", "p90", "p99", "after a pause", "CPU sender", "CPU receiver", "page faults", "copied", "canary", "placement", "rounds"}
}

func (r *Report) cells(x Result) []string {
	faults := notMeasured
	if x.Faults != nil {
		faults = stat.Number(*x.Faults)
	}
	placement := x.Placement
	if placement == "" {
		placement = notMeasured
	}
	ratio := notMeasured
	if p, ok := r.pair(gobReused, x.Strategy, x.Bytes); ok {
		ratio = stat.Number(p.Ratio) + " ×"
		if p.Verdict == string(stat.NotSeparated) {
			ratio = p.Verdict
		} else if p.Low != nil && p.High != nil {
			ratio += fmt.Sprintf(" (%s to %s)", stat.Number(*p.Low), stat.Number(*p.High))
		}
	}
	return []string{stat.Time(x.MedianNS), timeCell(x.LowNS), timeCell(x.HighNS), ratio, timeCell(x.P50NS), timeCell(x.P90NS), timeCell(x.P99NS), timeCell(x.PausedNS),
		timeCell(x.CPUSenderNS), timeCell(x.CPUReceiverNS), faults, stat.Size(x.CopiedBytes), timeCell(x.CanaryNS), placement, fmt.Sprint(x.Rounds)}
}

func (r *Report) sizeRows() (sizes []pageSize) {
	for i, x := range r.Results {
		if i == 0 || x.Bytes != r.Results[i-1].Bytes {
			sizes = append(sizes, pageSize{Size: fmt.Sprintf("%s (n = %d)", sizeText(x.Bytes), x.N)})
		}
		row := pageRow{Strategy: x.Strategy, Cells: r.cells(x), Busy: x.Busy != ""}
		var remarks []string
		if x.Busy != "" {
			remarks = append(remarks, x.Busy)
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
	for _, c := range r.Crossovers {
		text := c.plain()
		if c.Bytes != nil && c.Low != nil && c.High != nil {
			text += fmt.Sprintf(" Most likely they cross at %s.", stat.Size(*c.Bytes))
		}
		if c.Note != "" {
			text += " " + sentence(c.Note)
		}
		rows = append(rows, []string{c.A + " → " + c.B, text, cmp.Or(c.Verified, "not verified")})
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
			s := stat.Time(p.FixedNS) + " + " + stat.Time(p.NSPerByte*(1<<20)) + " per MiB"
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
		verified := cmp.Or(m.Verified, "not verified")
		if len(m.Checks) > 0 {
			verified += fmt.Sprintf(" (%d of %d sizes as predicted)", right, len(m.Checks))
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

// methodSentences say how the figures came about. The report's own notes have samples,
// intervals and percentiles.
func (r *Report) methodSentences() (s []string) {
	s = append(s, fmt.Sprintf("A handoff goes from the value in the caller's hands to the answer in the caller's hands. The receiver %s, and every answer is checked.", r.Payload.Touch.reads()))
	s = append(s, r.Method.Notes...)
	if m := r.Method; m.PauseNS > 0 {
		s = append(s, fmt.Sprintf("“After a pause” is a handoff that follows %v of rest, in which the peer went to sleep.", time.Duration(m.PauseNS)))
	}
	s = append(s, "“Copied” is the bytes that a handoff copies, within the processes and through the kernel. “Placement” is where the two sides ran: on the same core, on cores with a common cache, or on others. "+
		"The canary is a round trip between two threads that spin: it tells how far apart the cores were and how quiet the machine was. "+
		"A figure is too busy if its canary was out of range, other processes took more than 5 % of the cores' time, or the hypervisor did.")
	if r.Method.TookNS > 0 {
		s = append(s, fmt.Sprintf("The run took %s.", stat.Time(float64(r.Method.TookNS))))
	}
	return s
}
