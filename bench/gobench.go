package bench

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"reflect"
	"unicode"
	"unicode/utf8"

	"golang.org/x/perf/benchfmt"
)

// goGroups is the most lines per configuration: as many as benchstat needs.
const goGroups = 12

// The unit of what a handoff copies, beside ns/op and MB/s.
const copiedUnit = "copied-B/op"

// goName is the name of a benchmark below that of its function: keys that benchstat can
// pivot on, in a fixed order.
func (p PayloadInfo) goName(strategy string, bytes int64) string {
	dtype := p.File.goName(p.Name)
	if p.DType != "" {
		dtype += "/dtype=" + p.DType
	}
	return fmt.Sprintf("strategy=%s%s/touch=%s/size=%s", strategy, dtype, p.Touch, FormatSize(bytes))
}

// goFunction is the name of the benchmark function, without Benchmark: for an array that of
// this package's own.
func (p PayloadInfo) goFunction() string {
	if p.File != nil {
		return "File"
	}
	if p.DType != "" || p.Name == "" {
		return "Handoff"
	}
	first, n := utf8.DecodeRuneInString(p.Name)
	return string(unicode.ToUpper(first)) + p.Name[n:]
}

// WriteGo writes the report as Go benchmark results, which benchstat reads. Names and
// units are those that `go test -bench` prints for the same payload on as many cores, the
// package that of the payload's type:
//
//	BenchmarkHandoff/strategy=gob-reused/dtype=float64/touch=sum/size=64KiB-2 34 170033 ns/op 385.4 MB/s 295000 copied-B/op
//
// Consecutive samples are folded into at most 12 lines for each strategy and
// size.
func (r *Report) WriteGo(w io.Writer) error {
	var b bytes.Buffer
	bw := benchfmt.NewWriter(&b)
	config := []benchfmt.Config{
		{Key: "goos", Value: []byte(r.Machine.OS), File: true},
		{Key: "goarch", Value: []byte(r.Machine.Arch), File: true},
		{Key: "pkg", Value: []byte(cmp.Or(r.Payload.Package, reflect.TypeFor[Report]().PkgPath())), File: true},
		{Key: "cpu", Value: []byte(r.Machine.CPU), File: true},
	}
	if r.Machine.CPU == "" {
		config = config[:3] // an empty value would delete the key
	}
	procs := ""
	if r.Machine.GOMAXPROCS > 1 { // go test writes no suffix for one
		procs = fmt.Sprintf("-%d", r.Machine.GOMAXPROCS)
	}
	for _, x := range r.Results {
		name := r.Payload.goFunction() + "/" + r.Payload.goName(x.Strategy, x.Bytes) + procs
		for _, g := range fold(x.Timing) {
			err := bw.Write(&benchfmt.Result{
				Config: config, Name: benchfmt.Name(name), Iters: g.handoffs,
				Values: []benchfmt.Value{
					{Value: tenths(g.ns), Unit: "ns/op"},
					{Value: thousandths(float64(x.Bytes) / g.ns * 1e3), Unit: "MB/s"},
					{Value: float64(x.CopiedBytes), Unit: copiedUnit},
				},
			})
			if err != nil {
				return err
			}
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// A group is consecutive samples and their mean.
type group struct {
	ns       float64 // per handoff
	handoffs int
}

// fold joins neighbouring samples into at most goGroups.
func fold(t Timing) []group {
	n := len(t.SamplesNS)
	groups := make([]group, min(n, goGroups))
	for g := range groups {
		part := t.SamplesNS[g*n/len(groups) : (g+1)*n/len(groups)]
		total := 0.0
		for _, ns := range part {
			total += ns
		}
		groups[g] = group{total / float64(len(part)), len(part) * t.Iterations}
	}
	return groups
}
