package bench

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"
)

// made is results of several strategies at several sizes; 0 is not measured.
func made(ns map[string][]float64, sizes ...int64) (results []Result) {
	for i, bytes := range sizes {
		for _, name := range strategies {
			if ns[name] != nil && ns[name][i] != 0 {
				pid := 4242
				if name == inProcess {
					pid = 0
				}
				results = append(results, Result{
					Strategy: name, Bytes: bytes, DType: "float64", Count: 7, MedianNS: ns[name][i], MinNS: ns[name][i] / 2, MaxNS: ns[name][i] * 2,
					MBPerS: thousandths(float64(bytes) / ns[name][i] * 1e3), AnswerOK: true, WorkerPID: pid,
				})
			}
		}
	}
	return results
}

func TestCrossover(t *testing.T) {
	for _, tt := range []struct {
		name   string
		a, b   []float64
		bytes  int64 // 0: nil
		always string
	}{
		{"b from the middle between 100 and 10000 on", []float64{10, 10, 10}, []float64{20, 20, 5}, 1000, ""},
		{"b wins by more than it lost", []float64{10, 10, 10}, []float64{20, 20, 2.5}, 464, ""}, // a third of the way
		{"tie at the largest", []float64{10, 10, 10}, []float64{20, 20, 10}, 10000, ""},
		{"tie in the middle", []float64{10, 10, 10}, []float64{20, 10, 5}, 100, ""},
		{"b always", []float64{10, 10, 10}, []float64{5, 5, 9}, 0, "b"},
		{"tie everywhere", []float64{10, 10, 10}, []float64{10, 10, 10}, 0, "b"},
		{"a always", []float64{10, 10, 10}, []float64{11, 11, 11}, 0, "a"},
		{"b wins small ones only", []float64{10, 10, 10}, []float64{5, 5, 11}, 0, ""},
		{"b wins in the middle only", []float64{10, 10, 10}, []float64{11, 5, 11}, 0, ""},
		{"b wins, loses and wins", []float64{10, 10, 10}, []float64{5, 20, 5}, 1000, ""},
		{"one size", []float64{10, 0, 0}, []float64{5, 5, 5}, 0, "b"},
		{"one size, a", []float64{0, 0, 10}, []float64{5, 5, 50}, 0, "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			results := made(map[string][]float64{gobReused: tt.a, shmCopy: tt.b}, 1, 100, 10000)
			got := crossovers(results)
			want := Crossover{A: gobReused, B: shmCopy, Always: tt.always}
			if tt.bytes != 0 {
				want.Bytes = &tt.bytes
			}
			require.Equal(t, []Crossover{want}, got)
		})
	}
	require.Empty(t, crossovers(made(map[string][]float64{gobReused: {1}, inProcess: {2}}, 64)), "no pair has both partners")
	require.NotNil(t, crossovers(nil), "it would be null in JSON")
}

func sampleReport() *Report {
	results := made(map[string][]float64{
		gobReused: {20e3, 300e6}, shmCopy: {40e3, 5e6}, shmResident: {30e3, 3e6}, inProcess: {400, 3.5e6},
	}, 64, 64<<20)
	for i := range results {
		results[i].samples = make([]sample, 30)
		for j := range results[i].samples {
			results[i].samples[j] = sample{results[i].MedianNS, 5}
		}
	}
	return newReport(Machine{OS: "linux", Arch: "amd64", CPU: "Test CPU", Cores: 2, Go: "go1.26"}, TouchSum, results)
}

func TestJSON(t *testing.T) {
	r := sampleReport()
	r.Results = r.Results[:1]
	r.Verdict = "a < b"
	r.Crossovers = []Crossover{{A: shmCopy, B: inProcess}, {A: shmCopy, B: inProcess, Always: "b"}, {A: gobReused, B: shmCopy, Bytes: new(int64)}}
	var b bytes.Buffer
	require.NoError(t, r.WriteJSON(&b))
	want := `{
  "machine": {
    "os": "linux",
    "arch": "amd64",
    "cpu": "Test CPU",
    "cores": 2,
    "gomaxprocs": 0,
    "memory_bytes": 0,
    "kernel": "",
    "go": "go1.26",
    "shm_bytes": 0,
    "shm_hugepage": "",
    "heap_hugepage": ""
  },
  "touch": "sum",
  "results": [
    {
      "strategy": "gob-reused",
      "bytes": 64,
      "dtype": "float64",
      "count": 7,
      "median_ns": 20000,
      "min_ns": 10000,
      "max_ns": 40000,
      "mb_per_s": 3.2,
      "copied_bytes": 0,
      "answer_ok": true,
      "worker_pid": 4242
    }
  ],
  "crossovers": [
    {
      "a": "shm-copy",
      "b": "goroutine",
      "bytes": null
    },
    {
      "a": "shm-copy",
      "b": "goroutine",
      "bytes": null,
      "always": "b"
    },
    {
      "a": "gob-reused",
      "b": "shm-copy",
      "bytes": 0
    }
  ],
  "verdict": "a < b"
}
`
	require.Equal(t, want, b.String())
}

func TestVerdict(t *testing.T) {
	r := sampleReport()
	require.Equal(t, "Adding up 64MiB in another process took 3.00 ms by shm-resident, 100 times less than by gob-reused (300 ms); "+
		"one copy into shared memory (shm-copy) is never slower than gob-reused from 476 B on; "+
		"a goroutine of this process is cheaper than any of them at 1 of 2 sizes (400 ns at 64B): there a process pays by its isolation, not by speed.", r.Verdict)
	for want, ns := range map[string]map[string][]float64{
		"took 1.00 µs in a goroutine, and no process was measured.":                            {inProcess: {1000}},
		"took 1.00 µs by pipe-raw.":                                                            {pipeRaw: {1000}},
		"took 1.00 µs by pipe-raw; a goroutine was not cheaper than the best of them.":         {pipeRaw: {1000}, inProcess: {1000}},
		"took 1.00 µs by pipe-raw, 3.0 times less than by unix-raw (3.00 µs).":                 {pipeRaw: {1000}, unixRaw: {3000}},
		"one copy into shared memory (shm-copy) is slower than gob-reused at every measured s": {gobReused: {1000}, shmCopy: {3000}},
	} {
		r := newReport(Machine{}, TouchEnds, made(ns, 4096))
		require.Contains(t, r.Verdict, want)
		require.Contains(t, r.Verdict, "Reading both ends of 4KiB ")
		require.Equal(t, 1, strings.Count(r.Verdict+" ", ". "), "one sentence")
	}
	require.Equal(t, "Nothing was measured.", newReport(Machine{}, TouchSum, nil).Verdict)
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
		if strings.Contains(string(res.Name), "strategy=gob-reused/touch=sum/size=64MiB") {
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
	require.Equal(t, 12, lines["Handoff/strategy=goroutine/touch=sum/size=64B"])

	// From JSON, without samples: one line each.
	var old Report
	var text, again bytes.Buffer
	require.NoError(t, r.WriteJSON(&text))
	require.NoError(t, json.Unmarshal(text.Bytes(), &old))
	require.NoError(t, old.WriteGo(&again))
	require.Equal(t, 8, strings.Count(again.String(), "\nBenchmarkHandoff/"))
}

func TestFold(t *testing.T) {
	for n := 1; n < 40; n++ {
		x := Result{}
		handoffs := 0
		for i := range n {
			x.samples = append(x.samples, sample{float64(i), i + 1})
			handoffs += i + 1
		}
		folded := fold(x)
		require.Len(t, folded, min(n, goGroups))
		for _, s := range folded {
			require.Positive(t, s.k)
			handoffs -= s.k
		}
		require.Zero(t, handoffs, "handoffs lost in folding")
	}
}

func TestTable(t *testing.T) {
	r := sampleReport()
	r.Results[0].AnswerOK = false
	var b bytes.Buffer
	require.NoError(t, r.WriteTable(&b))
	for _, want := range []string{
		"Test CPU, 2 cores", "float64 array of 64MiB, touch sum", "  100.00x  ", "WRONG", "in process", "  4242\n",
		"gob-reused, shm-copy: 476 B\n", "shm-copy, goroutine: all measured sizes\n", r.Verdict,
	} {
		require.Contains(t, b.String(), want)
	}
	width := 0
	for line := range strings.Lines(b.String()) {
		if strings.Contains(line, "samples") && strings.Contains(line, "pid") {
			width = len([]rune(line))
		} else if strings.HasPrefix(strings.TrimSpace(line), "gob-") && width > 0 && !strings.Contains(line, ":") {
			require.Len(t, []rune(line), width, "columns are aligned: %s", fmt.Sprint(line))
		}
	}
	require.NotZero(t, width)
}
