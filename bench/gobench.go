package bench

import (
	"bytes"
	"fmt"
	"io"
	"reflect"

	"golang.org/x/perf/benchfmt"
)

// goGroups is the most lines per configuration: as many as benchstat needs.
const goGroups = 12

// WriteGo writes the report as Go benchmark results, which benchstat reads:
//
//	BenchmarkHandoff/strategy=gob-reused/touch=sum/size=64KiB 34 170033 ns/op 385.4 MB/s 295000 copied-B/op
//
// Consecutive samples are folded into at most 12 lines for each strategy and
// size.
func (r *Report) WriteGo(w io.Writer) error {
	var b bytes.Buffer
	bw := benchfmt.NewWriter(&b)
	config := []benchfmt.Config{
		{Key: "goos", Value: []byte(r.Machine.OS), File: true},
		{Key: "goarch", Value: []byte(r.Machine.Arch), File: true},
		{Key: "pkg", Value: []byte(reflect.TypeFor[Report]().PkgPath()), File: true},
		{Key: "cpu", Value: []byte(r.Machine.CPU), File: true},
	}
	if r.Machine.CPU == "" {
		config = config[:3] // an empty value would delete the key
	}
	for _, x := range r.Results {
		name := fmt.Sprintf("Handoff/strategy=%s/touch=%s/size=%s", x.Strategy, r.Payload.Touch, FormatSize(x.Bytes))
		for _, s := range fold(x) {
			err := bw.Write(&benchfmt.Result{
				Config: config, Name: benchfmt.Name(name), Iters: s.k,
				Values: []benchfmt.Value{
					{Value: tenths(s.ns), Unit: "ns/op"},
					{Value: thousandths(float64(x.Bytes) / s.ns * 1e3), Unit: "MB/s"},
					{Value: float64(x.CopiedBytes), Unit: "copied-B/op"},
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

// fold joins neighbouring samples into at most goGroups.
func fold(x Result) []sample {
	n := len(x.SamplesNS)
	groups := min(n, goGroups)
	folded := make([]sample, groups)
	for g := range folded {
		part := x.SamplesNS[g*n/groups : (g+1)*n/groups]
		total := 0.0
		for _, ns := range part {
			total += ns
		}
		folded[g] = sample{total / float64(len(part)), len(part) * x.Iterations}
	}
	return folded
}
