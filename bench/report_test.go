package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"

	"example.com/handoff/bench/cost"
)

// made is results of several strategies at several sizes; 0 is not measured.
func made(ns map[string][]float64, sizes ...int64) (results []Result) {
	for i, bytes := range sizes {
		for _, name := range strategies {
			if ns[name] != nil && ns[name][i] != 0 {
				median := ns[name][i]
				results = append(results, Result{
					Strategy: name, N: int(bytes / elemBytes), Bytes: bytes, Answer: rightAnswer, Singles: Singles{SinglesNS: []int64{}},
					Timing: Timing{Rounds: 3, Iterations: 5, MedianNS: median, SamplesNS: []float64{median / 2, median, median * 2}},
				})
			}
		}
	}
	return results
}

func sampleReport() *Report {
	results := made(map[string][]float64{
		gobReused: {20e3, 300e6}, shmCopy: {40e3, 5e6}, shmResident: {30e3, 3e6}, inProcess: {400, 3.5e6},
	}, 64, 64<<20)
	for i := range results {
		results[i].SamplesNS = slices.Repeat([]float64{results[i].MedianNS}, 30)
		results[i].Rounds = 30
	}
	results[0].Busy = "the canary took 5.00 µs, expected 100 ns to 400 ns"
	return concluded(Machine{OS: "linux", Arch: "amd64", CPU: "Test CPU", Cores: 2, GOMAXPROCS: 2, Go: "go1.26"}, TouchSum, results)
}

func concluded(m Machine, touch Touch, results []Result) *Report {
	r := newReport(m)
	r.Payload = floats.info(touch)
	r.Results = results
	for i, x := range results {
		if i == 0 || x.Bytes != results[i-1].Bytes {
			r.Pairs = append(r.Pairs, pairs(slices.DeleteFunc(slices.Clone(results), func(y Result) bool { return y.Bytes != x.Bytes }))...)
		}
	}
	if len(results) == 8 {
		r.Crossovers = append(r.Crossovers, newCrossover(cost.Crossover{A: gobReused, B: shmCopy, Bytes: 476, Low: 400, High: 512, Verified: "wrong by 2.00"}))
		m := newModel(cost.Model{Strategy: shmCopy, Band: 1.1, Pieces: []cost.Piece{{FromBytes: 64, ToBytes: 64 << 20, FixedNS: 1000, NSPerByte: 0.1}}}, nil)
		check := cost.Check{Strategy: shmCopy, Bytes: 1024, ModelNS: 100, MeasuredNS: 120, LowNS: 110, HighNS: math.Inf(1)}
		m.Checks, m.Verified = []Check{newCheck(check)}, cost.ModelVerdict([]cost.Check{check}, shmCopy)
		r.Models = append(r.Models, m)
	}
	r.conclude()
	return r
}

// What WriteJSON writes is read back as it was.
func TestJSON(t *testing.T) {
	r := sampleReport()
	r.Verdicts = []string{"a < [\n 1,\n 2\n]"}
	r.Crossovers = []Crossover{{A: shmCopy, B: inProcess}, {A: shmCopy, B: inProcess, Always: "b"}, {A: gobReused, B: shmCopy, Bytes: new(int64)}}
	var b bytes.Buffer
	require.NoError(t, r.WriteJSON(&b))
	requireSchema(t, r)
	require.Contains(t, b.String(), `"samples_ns": [20000,20000,`)
	require.Contains(t, b.String(), "a < [")
	var back Report
	require.NoError(t, json.Unmarshal(b.Bytes(), &back))
	require.Equal(t, r, &back)
	requireSchema(t, newReport(Machine{}))
}

func TestVerdict(t *testing.T) {
	r := sampleReport()
	require.Equal(t, []string{
		"Adding up 64MiB in another process took 3.00 ms by shm-resident, 100 times less than by gob-reused (300 ms).",
		"shm-copy is faster than gob-reused from 476 B on (wrong by 2.00).",
		"The model of shm-copy is wrong by 20.0 % at 1.00 KiB: shm-copy took 120 ns, the model says 100 ns. Do not use it between the measured sizes.",
		"A goroutine of this process is cheaper than any of them at 1 of 2 sizes (400 ns at 64B): there a process pays by its isolation, not by speed.",
		"The machine was too busy for 1 of 8 rows: measure again when it is quiet.",
	}, r.Verdicts)
	for want, ns := range map[string]map[string][]float64{
		"took 1.00 µs in a goroutine, and no process was measured.":           {inProcess: {1000}},
		"took 1.00 µs by pipe-raw.":                                           {pipeRaw: {1000}},
		"A goroutine was not cheaper than the best of them.":                  {pipeRaw: {1000}, inProcess: {1000}},
		"took 1.00 µs by pipe-raw, 3.0 times less than by unix-raw (3.00 µs)": {pipeRaw: {1000}, unixRaw: {3000}},
	} {
		r := concluded(Machine{}, TouchEnds, made(ns, 4096))
		require.Contains(t, strings.Join(r.Verdicts, "\n"), want)
		require.Contains(t, r.Verdicts[0], "Reading both ends of 4KiB ")
	}
	require.Equal(t, []string{"Nothing was measured."}, concluded(Machine{}, TouchSum, nil).Verdicts)

	a, b := Crossover{A: gobReused, B: shmCopy, Always: "a"}, Crossover{A: gobReused, B: shmCopy, Always: "b"}
	require.Equal(t, "shm-copy is slower than gob-reused wherever they are separated.", a.sentence())
	require.Equal(t, "shm-copy is faster than gob-reused wherever they are separated.", b.sentence())
	require.Equal(t, "shm-copy and gob-reused are not separated at any size.", Crossover{A: gobReused, B: shmCopy}.sentence())
	require.Equal(t, "at no size", a.short())
	require.Equal(t, "at all sizes", b.short())
}

func TestGoFormat(t *testing.T) {
	r := sampleReport()
	var b bytes.Buffer
	require.NoError(t, r.WriteGo(&b))
	lines := map[string]int{}
	reader := benchfmt.NewReader(&b, "test")
	for reader.Scan() {
		res, ok := reader.Result().(*benchfmt.Result)
		require.True(t, ok, "%v", reader.Result())
		lines[string(res.Name)]++
		for key, want := range map[string]string{"goos": "linux", "goarch": "amd64", "pkg": "example.com/handoff/bench", "cpu": "Test CPU"} {
			require.Equal(t, want, res.GetConfig(key))
		}
		require.Len(t, res.Values, 3)
		if strings.Contains(string(res.Name), "strategy=gob-reused/dtype=float64/touch=sum/size=64MiB") {
			sec, ok := res.Value("sec/op")
			require.True(t, ok)
			require.InDelta(t, 0.3, sec, 1e-9)
			_, ok = res.Value("copied-B/op")
			require.True(t, ok)
			_, ok = res.Value("B/s")
			require.True(t, ok)
		}
	}
	require.NoError(t, reader.Err())
	require.Len(t, lines, 8)
	require.Equal(t, 12, lines["Handoff/strategy=goroutine/dtype=float64/touch=sum/size=64B-2"])
}

func TestFold(t *testing.T) {
	for n := 1; n < 40; n++ {
		x := Result{Timing: Timing{Iterations: 3, SamplesNS: make([]float64, n)}}
		handoffs := 3 * n
		folded := fold(x.Timing)
		require.Len(t, folded, min(n, goGroups))
		for _, s := range folded {
			require.Positive(t, s.handoffs)
			handoffs -= s.handoffs
		}
		require.Zero(t, handoffs, "handoffs lost in folding")
	}
}

func TestTable(t *testing.T) {
	r := sampleReport()
	r.Results[0].Answer = wrongAnswer
	var b bytes.Buffer
	require.NoError(t, r.WriteTable(&b))
	for _, want := range []string{
		"Test CPU, 2 cores", "float64 array of 64MiB, touch sum", "  100x  ", "gob-reused: WRONG ANSWERS\n",
		"gob-reused, shm-copy: 476 B [400 B–512 B], wrong by 2.00\n", "too busy: 1 of 4 rows", "wrong by 20.0 % at 1.00 KiB: shm-copy took 120 ns, the model says 100 ns\n", "+ 105 µs/MiB", r.Verdicts[0],
	} {
		require.Contains(t, b.String(), want)
	}
	width := 0
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, "strategy ") {
			width = len([]rune(line))
		} else if strings.HasPrefix(strings.TrimSpace(line), "gob-") && width > 0 && !strings.Contains(line, ":") && !strings.Contains(line, ", ") {
			require.Len(t, []rune(line), width, "columns are aligned: %s", fmt.Sprint(line))
		}
	}
	require.NotZero(t, width)
}
