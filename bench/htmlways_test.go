package bench

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// sampled is a result whose samples differ by less than a tenth.
func sampled(strategy string, bytes int64, ns float64) Result {
	x := Result{Strategy: strategy, Bytes: bytes, Answer: rightAnswer, Timing: Timing{MedianNS: ns}}
	for i := range 12 {
		x.SamplesNS = append(x.SamplesNS, ns*(1+float64(i*7%12)/120))
	}
	return x
}

// What is not separated is said, and is no reason to change the way from one size to the
// next.
func TestTodo(t *testing.T) {
	r := newReport(Machine{})
	for i, bytes := range []int64{64, 4096, 1 << 20} {
		r.Results = append(r.Results, sampled("unix-raw", bytes, 1), sampled(valued, bytes, []float64{10, 20, 90}[i]),
			sampled(shmCopy, bytes, []float64{30, 19.9, 40}[i]), sampled(sharedOnce, bytes, 5), sampled(inProcess, bytes, []float64{0.5, 5, 5}[i]))
	}
	for i := range 12 {
		r.Results[7].SamplesNS[i] = float64(10 + i%2*20) // at 4 KiB on either side of value
	}
	require.Equal(t, []string{
		"A new value for each task: pass it as the task's argument (value) up to 4 KiB, copy it into an arena and pass a View (shm-copy) from 1 MiB on.",
		"One value for many tasks: share it once by pool.Share (shared).",
		"If a crash may end the whole program, stay in a goroutine: it is faster than every process at 1 of 3 sizes.",
	}, r.todo(), "what is measured for comparison only is no advice")

	rows := r.winnerRows()
	require.Len(t, rows, 3)
	require.Equal(t, "unix-raw", rows[0].Cells[0].Strategy)
	require.Equal(t, notMeasured, rows[0].Cells[3].Strategy, "gob was not measured")
	w, ok := r.fastest(4096, func(name string) bool { return name == valued || name == shmCopy })
	require.True(t, ok)
	require.Equal(t, shmCopy, w.Strategy)
	require.Equal(t, []string{valued}, w.level)
	require.Empty(t, newReport(Machine{}).todo())
}

// Every strategy is explained.
func TestWaysExplained(t *testing.T) {
	for _, name := range Strategies() {
		require.NotEmpty(t, waysOf[name].words, name)
	}
}

func TestHoldUnits(t *testing.T) {
	require.Equal(t, "64\u00a0KiB, 5\u00a0% of 3\u00a0ms; 7 strategies", holdUnits("64 KiB, 5 % of 3 ms; 7 strategies"))
}
