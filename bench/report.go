package bench

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"regexp"
	"strconv"
	"time"

	"example.com/handoff/bench/cost"
	"example.com/handoff/bench/stat"
)

// ReportVersion is the version of a Report's JSON form.
const ReportVersion = 2

// A Report is what one run has found. Its JSON form is an object with exactly these
// fields, as testdata/report.schema.json describes it. Times are nanoseconds, sizes
// bytes; a figure that was not measured, or for which there are too few samples, is
// null.
type Report struct {
	Version    int            `json:"version"` // ReportVersion
	Machine    Machine        `json:"machine"`
	Method     Method         `json:"method"`
	Payload    PayloadInfo    `json:"payload"`
	Results    []Result       `json:"results"` // by size, then in the order of Strategies
	Pairs      []Pair         `json:"pairs"`   // by size
	Crossovers []Crossover    `json:"crossovers"`
	Models     []Model        `json:"models"`   // one for each strategy
	Advice     []cost.Advice  `json:"advice"`   // by size; none if the time that a task computes was not given
	Verdicts   []string       `json:"verdicts"` // whole sentences
	Memory     []MemoryResult `json:"memory"`
	Losing     []Losing       `json:"losing"`
	LeftOut    []LeftOut      `json:"left_out"`
}

// A Method says how the figures came about.
type Method struct {
	Started    time.Time `json:"started"`
	TookNS     int64     `json:"took_ns"`
	SampleNS   int64     `json:"sample_ns"`  // about how long a sample takes, at least one handoff
	PauseNS    int64     `json:"pause_ns"`   // before a handoff on its own
	Confidence float64   `json:"confidence"` // of all intervals
	Notes      []string  `json:"notes"`      // whole sentences
}

// PayloadInfo says what was handed over and what the receiver did with it.
type PayloadInfo struct {
	Name string `json:"name"`
	Type string `json:"type"` // the Go type
	// Package is the import path of where Type is defined, "" for a type without a name.
	Package string `json:"package,omitempty"`
	DType   string `json:"dtype"` // of an array's elements; "" for other payloads
	Touch   Touch  `json:"touch"`
	// File is what the values are of, if they are of a file, with its base name as Name.
	File *FileInfo `json:"file,omitempty"`
}

// A Result is one strategy at one size: from the value in the caller's hands to the answer
// in the caller's hands.
type Result struct {
	Strategy string `json:"strategy"`
	N        int    `json:"n"`     // the generator's unit; elements of an array
	Bytes    int64  `json:"bytes"` // of the payload
	Timing
	Singles
	CPUSenderNS   *float64 `json:"cpu_ns_sender"` // per handoff
	CPUReceiverNS *float64 `json:"cpu_ns_receiver"`
	Faults        *float64 `json:"faults"`       // page faults per handoff, on both sides
	CopiedBytes   int64    `json:"copied_bytes"` // per handoff; see the package comment
	Conditions
	Answer string `json:"answer"` // "right", "wrong", or what the strategy drops of the payload
}

// Timing is of back-to-back handoffs: each sample is the mean of so many iterations.
// Low and High are an interval for the median.
type Timing struct {
	Rounds     int       `json:"rounds"`
	Iterations int       `json:"iterations"`
	MedianNS   float64   `json:"median_ns"`
	LowNS      *float64  `json:"low_ns"`
	HighNS     *float64  `json:"high_ns"`
	SamplesNS  []float64 `json:"samples_ns"` // by round
}

// Singles is of handoffs that were timed one by one: back to back, and each after a
// pause in which the peer has gone to sleep.
type Singles struct {
	P50NS     *float64 `json:"p50_ns"`
	P90NS     *float64 `json:"p90_ns"`     // from 100 handoffs on
	P99NS     *float64 `json:"p99_ns"`     // from 1,000 handoffs on
	PausedNS  *float64 `json:"paused_ns"`  // median after a pause
	SinglesNS []int64  `json:"singles_ns"` // back to back, in order
}

// Conditions are those under which a result was measured.
type Conditions struct {
	CanaryNS  *float64 `json:"canary_ns"` // a round trip between two spinning threads
	Others    *float64 `json:"others"`    // share of the cores' time that other processes took
	Stolen    *float64 `json:"stolen"`    // share of the cores' time that the hypervisor took
	Placement string   `json:"placement"` // "same core", "same cache" or "other"; "" is unknown
	Busy      string   `json:"busy"`      // why the machine was too busy for the figure; "" if it was not
}

// A Pair compares two strategies at one size, within the rounds of one run. Ratio is A's
// time over B's, the median over rounds; Low and High are its interval.
type Pair struct {
	A       string   `json:"a"`
	B       string   `json:"b"`
	Bytes   int64    `json:"bytes"`
	Ratio   float64  `json:"ratio"`
	Low     *float64 `json:"low"`
	High    *float64 `json:"high"`
	Rounds  int      `json:"rounds"`
	Verdict string   `json:"verdict"` // of [stat.Verdict]
}

// A Crossover is a size at which B overtakes A. A is separated as the faster up to Low, B
// from High on. Without a size, Always says which of them was faster throughout: "a",
// "b", or "" where neither was.
type Crossover struct {
	A        string `json:"a"`
	B        string `json:"b"`
	Bytes    *int64 `json:"bytes"`
	Low      *int64 `json:"low"`
	High     *int64 `json:"high"`
	Always   string `json:"always,omitempty"`
	Verified string `json:"verified"`       // "confirmed", "wrong by …", "not confirmed: …", or "" if it was not verified
	Note     string `json:"note,omitempty"` // why Low and High are as far apart as they are
}

// A Model is a strategy's time by size: fixed + bytes × slope, in pieces that end where
// caches do.
type Model struct {
	Strategy string   `json:"strategy"`
	Pieces   []Piece  `json:"pieces"`   // by size
	Points   []Point  `json:"points"`   // that it was fitted to, by size: the rows, and sizes in between
	Band     *float64 `json:"band"`     // by which factor a median may be above or below
	Checks   []Check  `json:"checks"`   // at sizes that the fit has not seen
	Verified string   `json:"verified"` // "confirmed", "wrong by …", "not confirmed: …", or "" if it was not verified
}

// A Piece is fixed + bytes × slope, from FromBytes to ToBytes.
type Piece struct {
	FromBytes int64   `json:"from_bytes"`
	ToBytes   int64   `json:"to_bytes"`
	FixedNS   float64 `json:"fixed_ns"`
	NSPerByte float64 `json:"ns_per_byte"`
}

// A Point is the median time at a size.
type Point struct {
	Bytes    int64   `json:"bytes"`
	MedianNS float64 `json:"median_ns"`
}

// A Check compares a model with a measurement that its fit has not seen.
type Check struct {
	Bytes      int64    `json:"bytes"`
	ModelNS    float64  `json:"model_ns"`
	MeasuredNS float64  `json:"measured_ns"`
	LowNS      *float64 `json:"low_ns"`
	HighNS     *float64 `json:"high_ns"`
	OK         bool     `json:"ok"`
}

// Losing is a size at which shared memory was slower than the cheapest strategy that copies through
// the kernel. Ratio is its time over the other's.
type Losing struct {
	Strategy string  `json:"strategy"`
	Than     string  `json:"than"`
	Bytes    int64   `json:"bytes"`
	Ratio    float64 `json:"ratio"`
}

// LeftOut is a strategy that was not measured. Bytes is 0 if it was measured at no size.
type LeftOut struct {
	Strategy string `json:"strategy"`
	Bytes    int64  `json:"bytes"`
	Why      string `json:"why"`
}

// The answers of a Result.
const (
	rightAnswer = "right"
	wrongAnswer = "wrong"
)

func tenths(x float64) float64      { return math.Round(x*10) / 10 }
func thousandths(x float64) float64 { return math.Round(x*1000) / 1000 }

// digits rounds to five significant digits.
func digits(x float64) float64 {
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 4, 64), 64)
	return rounded
}

const confidence = 1 - 2*stat.Tail

// newReport is a report without figures. Its lists are empty, not null.
func newReport(m Machine) *Report {
	return &Report{
		Version: ReportVersion, Machine: m, Results: []Result{}, Pairs: []Pair{}, Crossovers: []Crossover{}, Models: []Model{}, Advice: []cost.Advice{},
		Verdicts: []string{}, Memory: []MemoryResult{}, Losing: []Losing{}, LeftOut: []LeftOut{},
		Method: Method{Started: time.Now().UTC().Truncate(time.Second), Confidence: confidence, SampleNS: sampleTime.Nanoseconds(), PauseNS: pauseTime.Nanoseconds(), Notes: []string{}},
	}
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

// numbers matches an indented list of numbers. No string has a line end in JSON.
var numbers = regexp.MustCompile(`\[\n\s*-?\d[-+.\deE,\s]*\n\s*\]`)

// blanks matches what indentation puts between them.
var blanks = regexp.MustCompile(`\s+`)

// WriteJSON writes the report as one indented JSON object and a newline. Lists of numbers
// stand on one line.
func (r *Report) WriteJSON(w io.Writer) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return err
	}
	_, err := w.Write(numbers.ReplaceAllFunc(b.Bytes(), func(list []byte) []byte {
		return blanks.ReplaceAll(list, nil)
	}))
	return err
}
