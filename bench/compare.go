package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"unicode"

	"example.com/handoff/bench/stat"
)

// Far more than a report has. What is bounded is the memory and the time that a file can cost
// which somebody made to that end.
const (
	mostReportBytes   = 64 << 20
	mostReportObjects = 100_000
	mostResults       = 10_000
)

// ErrNoReport: what ReadReport was given is no report, or one of another version.
var ErrNoReport = errors.New("no report of this package")

// ReadReport reads a report that [Report.WriteJSON] wrote, of up to 64 MiB and 10,000
// results. Control characters in it are replaced, line ends apart, so that it can be shown
// on a terminal whoever made it. The report is the caller's. It returns an error that wraps
// [ErrNoReport] for everything else, or that of r.
func ReadReport(r io.Reader) (*Report, error) {
	b, err := io.ReadAll(io.LimitReader(r, mostReportBytes+1))
	if err != nil {
		return nil, err
	}
	if len(b) > mostReportBytes {
		return nil, fmt.Errorf("bench: %w: it has more than %s", ErrNoReport, FormatSize(mostReportBytes))
	}
	if bytes.Count(b, []byte("{")) > mostReportObjects {
		return nil, fmt.Errorf("bench: %w: it has more than %d objects", ErrNoReport, mostReportObjects)
	}
	var head struct {
		Version *int            `json:"version"`
		Results json.RawMessage `json:"results"`
	}
	switch err := json.Unmarshal(b, &head); {
	case err != nil:
		return nil, fmt.Errorf("bench: %w: %w", ErrNoReport, err)
	case head.Version == nil && head.Results != nil:
		return nil, fmt.Errorf("bench: %w: it has no version, expected %d: measure again with this version", ErrNoReport, ReportVersion)
	case head.Version == nil:
		return nil, fmt.Errorf("bench: %w: it has no version, expected %d", ErrNoReport, ReportVersion)
	case *head.Version != ReportVersion:
		return nil, fmt.Errorf("bench: %w: version %d, expected %d: measure again with this version", ErrNoReport, *head.Version, ReportVersion)
	}
	var x Report
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		return nil, fmt.Errorf("bench: %w: %w", ErrNoReport, err)
	}
	if err := x.check(); err != nil {
		return nil, fmt.Errorf("bench: %w: %w", ErrNoReport, err)
	}
	plainText(reflect.ValueOf(&x))
	return &x, nil
}

// plainText replaces control characters in all strings of x, line ends apart: a report that
// is shown must not command the terminal.
func plainText(x reflect.Value) {
	switch x.Kind() {
	case reflect.Pointer:
		if !x.IsNil() {
			plainText(x.Elem())
		}
	case reflect.Struct:
		for i := range x.NumField() {
			if x.Type().Field(i).IsExported() {
				plainText(x.Field(i))
			}
		}
	case reflect.Slice:
		if kind := x.Type().Elem().Kind(); kind != reflect.Struct && kind != reflect.String {
			return // numbers
		}
		for i := range x.Len() {
			plainText(x.Index(i))
		}
	case reflect.String:
		x.SetString(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) && r != '\n' {
				return unicode.ReplacementChar
			}
			return r
		}, x.String()))
	}
}

// check looks at the figures that a comparison uses.
func (r *Report) check() error {
	if len(r.Results) > mostResults {
		return fmt.Errorf("it has %d results, expected at most %d", len(r.Results), mostResults)
	}
	seen := map[string]bool{}
	for _, x := range r.Results {
		name := fmt.Sprintf("%.40q at %d bytes", x.Strategy, x.Bytes)
		switch {
		case x.Bytes <= 0 || !(x.MedianNS > 0):
			return fmt.Errorf("the result of %s takes %v ns, expected positive numbers", name, x.MedianNS)
		case x.LowNS != nil && *x.LowNS > x.MedianNS || x.HighNS != nil && *x.HighNS < x.MedianNS:
			return fmt.Errorf("the interval of %s is not around its median", name)
		case seen[name]:
			return fmt.Errorf("there are two results of %s", name)
		}
		seen[name] = true
	}
	return nil
}

// WriteComparison writes for people how r differs from an older report: first the
// machines, then what changed beyond the noise, which is what the intervals of the two
// medians have in common.
func (r *Report) WriteComparison(w io.Writer, old *Report) error {
	var b bytes.Buffer
	differ := machineDifferences(old.Machine, r.Machine)
	if !reflect.DeepEqual(old.Payload, r.Payload) {
		differ = append(differ, fmt.Sprintf("payload: %s, was %s", r.Payload.long(), old.Payload.long()))
	}
	fmt.Fprintf(&b, "compared with the report of %s\n", old.Method.Started.Format("2006-01-02 15:04"))
	for _, d := range differ {
		fmt.Fprintf(&b, "  %s\n", d)
	}
	if differ != nil {
		fmt.Fprintf(&b, "  These differ: what changed below may be theirs.\n")
	}
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	changed, same, alone := 0, 0, 0
	for _, x := range r.Results {
		y, ok := old.result(x.Strategy, x.Bytes)
		switch {
		case !ok:
			alone++
		case !apart(x.Timing, y.Timing):
			same++
		default:
			if changed++; changed == 1 {
				fmt.Fprintf(tw, "  changed\tsize\twas\t[low–high]\tis\t[low–high]\tis/was\t\n")
			}
			fmt.Fprintf(tw, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.Strategy, FormatSize(x.Bytes), stat.Time(y.MedianNS), between(y.LowNS, y.HighNS, stat.Time),
				stat.Time(x.MedianNS), between(x.LowNS, x.HighNS, stat.Time), stat.Number(x.MedianNS/y.MedianNS), busier(x, y))
		}
	}
	tw.Flush()
	fmt.Fprintf(&b, "%d rows changed beyond the noise, %d did not, %d are in this report alone and %d in the old one alone.\n",
		changed, same, alone, len(old.Results)-changed-same)
	for _, c := range r.Crossovers {
		for _, o := range old.Crossovers {
			if c.A == o.A && c.B == o.B && c.short() != o.short() {
				fmt.Fprintf(&b, "crossover %s, %s: %s, was %s\n", c.A, c.B, c.short(), o.short())
			}
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func busier(x, y Result) string {
	switch {
	case x.Busy != "" && y.Busy != "":
		return "both too busy"
	case x.Busy != "":
		return "now too busy"
	case y.Busy != "":
		return "was too busy"
	}
	return ""
}

// apart reports whether two intervals have nothing in common.
func apart(x, y Timing) bool {
	if x.LowNS == nil || x.HighNS == nil || y.LowNS == nil || y.HighNS == nil {
		return false
	}
	return *x.HighNS < *y.LowNS || *y.HighNS < *x.LowNS
}

func (r *Report) result(strategy string, bytes int64) (x Result, ok bool) {
	for _, x := range r.Results {
		if x.Strategy == strategy && x.Bytes == bytes {
			return x, true
		}
	}
	return x, false
}

// machineDifferences names the fields in which two machines differ, as they are in JSON.
func machineDifferences(old, now Machine) (differ []string) {
	o, n := reflect.ValueOf(old), reflect.ValueOf(now)
	for i := range o.NumField() {
		if a, b := o.Field(i).Interface(), n.Field(i).Interface(); a != b {
			differ = append(differ, fmt.Sprintf("%s: %v, was %v", o.Type().Field(i).Tag.Get("json"), b, a))
		}
	}
	return differ
}
