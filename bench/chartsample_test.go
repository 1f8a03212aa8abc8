package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"example.com/handoff/bench/cost"
	"example.com/handoff/bench/stat"
)

// pictured is a report with something in each of its parts, made by a model of the costs
// and not by a measurement: what the pictures are tried with.
func pictured() *Report {
	random := rand.New(rand.NewPCG(1, 2))
	r := newReport(Machine{OS: "linux", Arch: "amd64", CPU: "Example CPU @ 2.90GHz", Cores: 2, GOMAXPROCS: 2, MemoryBytes: 24 << 30,
		Kernel: "6.1.0", Go: "go1.26", ShmBytes: 12 << 30, ShmHuge: "never", HeapHuge: "madvise"})
	r.Method.Started = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	r.Method.TookNS = 48e9
	r.Method.Notes = []string{"The peer is a real process, pinned to the core beside this one."}
	r.Payload = PayloadInfo{Name: "quotes", Type: "main.Quotes", Touch: TouchSum}
	costs := map[string][3]float64{ // fixed, by byte, copies
		"gob-fresh": {38e3, 2.1, 2}, "gob-reused": {9e3, 1.9, 2}, "pipe-raw": {7e3, 0.42, 2}, "unix-raw": {8e3, 0.36, 2}, "arrow-pipe": {21e3, 0.5, 2},
		"shm-fresh": {62e3, 0.29, 1}, "shm-copy": {2.1e3, 0.11, 1}, "shm-resident": {1.4e3, 0.045, 0}, "value": {2.6e3, 0.17, 2}, "shared": {1.6e3, 0.047, 0},
		"goroutine": {350, 0.043, 0},
	}
	for _, bytes := range []int64{64, 4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20} {
		for _, strategy := range lookOrder {
			c := costs[strategy]
			if strategy == "gob-fresh" && bytes > 16<<20 {
				r.LeftOut = append(r.LeftOut, LeftOut{Strategy: strategy, Bytes: bytes, Why: "one handoff would take longer than the time for the size"})
				continue
			}
			r.Results = append(r.Results, picturedResult(random, strategy, bytes, c[0]+c[1]*float64(bytes), int64(c[2])*bytes))
		}
	}
	size := func(n int64) *int64 { return &n }
	r.Crossovers = []Crossover{
		{A: "gob-reused", B: "shm-fresh", Bytes: size(33_100), Low: size(29_400), High: size(36_900), Verified: "confirmed"},
		{A: "gob-reused", B: "shm-copy", Always: "b", Verified: "confirmed"},
		{A: "pipe-raw", B: "shm-fresh", Bytes: size(423_000), Low: size(360_000), High: size(500_000), Verified: "wrong by 12 %"},
		{A: "shm-copy", B: "goroutine", Always: "b"},
	}
	for _, strategy := range lookOrder {
		c := costs[strategy]
		r.Models = append(r.Models, Model{Strategy: strategy, Verified: "confirmed", Pieces: []Piece{{0, 8 << 20, c[0], c[1]}, {8 << 20, 64 << 20, c[0], c[1] * 1.3}},
			Checks: []Check{{Bytes: 300_000, ModelNS: c[0] + c[1]*3e5, MeasuredNS: c[0] + c[1]*3.1e5, OK: true}}})
	}
	r.Losing = []Losing{{"shm-fresh", "gob-reused", 64, 6.9}, {"shm-fresh", "pipe-raw", 64, 8.8}, {"shm-fresh", "gob-reused", 4096, 3.8}}
	for _, workers := range []int{1, 2, 4} {
		for _, strategy := range []string{"gob", "shm"} {
			held := int64(64 << 20)
			if strategy == "gob" {
				held *= int64(1 + workers)
			}
			base := int64(11<<20 + workers*6<<20)
			r.Memory = append(r.Memory, MemoryResult{Strategy: strategy, Workers: workers, Bytes: 64 << 20, PSSBytes: base + held, PrivateBytes: base + held/2, BasePSSBytes: base, BasePrivateBytes: base})
		}
	}
	r.Verdicts = []string{"Adding up 64 MiB in another process took 3.02 ms by shm-resident, 42 times less than by gob-reused (128 ms).",
		"A goroutine of this process is cheaper than any of them at 6 of 6 sizes: there a process pays by its isolation, not by speed."}
	r.Advice = []cost.Advice{{Task: cost.Task{ValueBytes: 1 << 20, Compute: 2 * time.Millisecond, Tasks: 10_000}, GobNS: 2e6, Share: 1, OverMost: true,
		Prices: []cost.Price{{Way: cost.Shared, NS: 51e3}, {Way: cost.ByValue, NS: 181e3}}, Best: cost.Shared, BestProcess: cost.Shared, SavedPerTaskNS: 1.95e6, SavedPerJobNS: 19.5e9}}
	return r
}

// picturedResult has samples about median, a few of them late.
func picturedResult(random *rand.Rand, strategy string, bytes int64, median float64, copied int64) Result {
	x := Result{Strategy: strategy, N: int(bytes / elemBytes), Bytes: bytes, CopiedBytes: copied, Answer: rightAnswer}
	noise := func() float64 {
		return median * math.Exp(0.05*math.Abs(random.NormFloat64())+0.01*random.NormFloat64())
	}
	for range 24 {
		x.SamplesNS = append(x.SamplesNS, tenths(noise()))
	}
	for range 200 {
		ns := noise()
		if random.IntN(40) == 0 {
			ns *= 1 + 6*random.Float64()
		}
		x.SinglesNS = append(x.SinglesNS, int64(ns))
	}
	singles := make([]float64, len(x.SinglesNS))
	for i, ns := range x.SinglesNS {
		singles[i] = float64(ns)
	}
	of := func(f float64) *float64 { f = tenths(f); return &f }
	x.Rounds, x.Iterations, x.MedianNS = len(x.SamplesNS), max(1, int(1e6/median)), stat.Median(x.SamplesNS)
	x.LowNS, x.HighNS = of(x.MedianNS*0.96), of(x.MedianNS*1.05)
	x.P50NS, x.P90NS = of(stat.Quantile(singles, 0.5)), of(stat.Quantile(singles, 0.9))
	x.PausedNS, x.CPUSenderNS, x.CPUReceiverNS, x.Faults = of(median+30e3), of(median*0.5), of(median*0.6), of(float64(copied)/4096)
	x.CanaryNS, x.Placement = of(182), "same cache"
	if strategy == "unix-raw" && bytes == 1<<20 {
		x.Busy = "the hypervisor stole 7.1 % of the time"
	}
	return x
}

// hostile is a report whose names try to leave their places, and whose figures none can be
// drawn.
func hostile() *Report {
	r := pictured()
	const evil = "</script></style></text>]]><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\x00\x1b[2J{{.}}"
	r.Payload.Name, r.Payload.Type, r.Machine.CPU = evil, evil, evil
	r.Verdicts, r.Method.Notes, r.Advice = []string{evil}, []string{evil}, []cost.Advice{{Best: "</pre><script>"}}
	for i := range r.Results {
		r.Results[i].Placement, r.Results[i].Busy = evil, evil
	}
	more := slices.Clone(r.Results[:12])
	for i := range more {
		more[i].Strategy = fmt.Sprintf("%d %s", i%4, evil)
	}
	r.Results = append(r.Results, more...)
	r.Crossovers[0].A, r.Crossovers[0].B, r.Crossovers[0].Verified = evil, evil, evil
	r.LeftOut[0].Why, r.Losing[0].Than, r.Models[0].Verified, r.Memory[0].Strategy = evil, evil, evil, evil
	for i, ns := range []float64{0, -1, 1e300} {
		r.Results[i].MedianNS = ns
		r.Results[i].SamplesNS = []float64{ns}
	}
	return r
}
