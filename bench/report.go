package bench

import (
	"encoding/json"
	"io"
	"math"
	"slices"

	"example.com/handoff/bench/stat"
)

// A Report is what one Run has found. Its JSON form is an object with exactly
// these fields.
type Report struct {
	Machine    Machine     `json:"machine"`
	Touch      Touch       `json:"touch"`
	Results    []Result    `json:"results"` // by size, then in the order of Strategies
	Crossovers []Crossover `json:"crossovers"`
	Verdict    string      `json:"verdict"` // one sentence
}

// A Result is one strategy at one size. Times are nanoseconds per handoff, from
// the array in the caller's hands to the answer in the caller's hands.
type Result struct {
	Strategy    string  `json:"strategy"`
	Bytes       int64   `json:"bytes"` // of the array
	DType       string  `json:"dtype"` // "float64"
	Count       int     `json:"count"` // samples
	MedianNS    float64 `json:"median_ns"`
	MinNS       float64 `json:"min_ns"`
	MaxNS       float64 `json:"max_ns"`
	MBPerS      float64 `json:"mb_per_s"`     // 10⁶ bytes of the array per second, at the median
	CopiedBytes int64   `json:"copied_bytes"` // per handoff; see the package comment
	AnswerOK    bool    `json:"answer_ok"`    // every answer was bit-identical to the truth
	WorkerPID   int     `json:"worker_pid"`   // of the process that answered; 0: a goroutine of this one

	samples []sample // in the order they were taken
}

// result sums the samples up. There is at least one.
func (s *sampler) result() Result {
	ns := make([]float64, len(s.samples))
	handoffs := 0
	for i, x := range s.samples {
		ns[i] = x.ns
		handoffs += x.k
	}
	median := stat.Median(ns)
	bytes := int64(len(s.target)) * elemBytes
	return Result{
		Strategy: s.c.strategy(), Bytes: bytes, DType: "float64", Count: len(ns),
		MedianNS: tenths(median), MinNS: tenths(slices.Min(ns)), MaxNS: tenths(slices.Max(ns)),
		MBPerS: thousandths(float64(bytes) / median * 1e3), CopiedBytes: int64(math.Round(float64(s.copied) / float64(handoffs))),
		AnswerOK: s.wrong == 0, WorkerPID: s.c.pid(), samples: s.samples,
	}
}

func tenths(x float64) float64      { return math.Round(x*10) / 10 }
func thousandths(x float64) float64 { return math.Round(x*1000) / 1000 }

func newReport(m Machine, touch Touch, results []Result) *Report {
	r := &Report{Machine: m, Touch: touch, Results: results, Crossovers: crossovers(results)}
	r.Verdict = r.verdict()
	return r
}

// median is the time of a strategy at a size; ok is false if it was not measured.
func (r *Report) median(strategy string, bytes int64) (ns float64, ok bool) {
	for _, x := range r.Results {
		if x.Strategy == strategy && x.Bytes == bytes {
			return x.MedianNS, true
		}
	}
	return 0, false
}

// WriteJSON writes the report as one indented JSON object and a newline.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
