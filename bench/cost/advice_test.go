package cost

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const ms = time.Millisecond

func TestAdvise(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		name          string
		task          Task
		best, process Way
		over          bool
		text          string
	}{
		{"nothing is handed over", Task{Compute: ms}, Goroutine, ByValue, false,
			"the cheapest way is in a goroutine, 300 ns a task, and to a process by value, 800 ns; it saves 6.70 µs a task against gob over a pipe."},
		{"any type", Task{ValueBytes: mib, Compute: 10 * ms}, Goroutine, Shared, true,
			"gob of 1.00 MiB takes 3.00 ms, 30.0 % of the 10.0 ms that a task computes and more than 15 %: it should not be serialized for each task; " +
				"the cheapest way is in a goroutine, 300 ns a task, and to a process shared (pool.Share), 100 µs; it saves 4.00 ms a task against gob over a pipe."},
		{"isolated", Task{ValueBytes: mib, Compute: 100 * ms, Isolated: true, Tasks: 1000, TasksPerValue: 10}, Shared, Shared, false,
			"gob of 1.00 MiB takes 3.00 ms, 3.00 % of the 100 ms that a task computes and not more than 15 %; " +
				"the cheapest way is shared (pool.Share), 10.8 µs a task; it saves 3.99 ms a task against gob over a pipe, 3.99 s in a job of 1000 tasks."},
		{"arrays", Task{ValueBytes: mib, Compute: ms, Isolated: true, InPlace: true}, InPlace, InPlace, true, "3.00 times the 1.00 ms that a task computes"},
		{"it writes", Task{ValueBytes: mib, Isolated: true, InPlace: true, Writes: true}, ByValue, ByValue, false, "the cheapest way is by value, 200 µs a task"},
		{"small", Task{ValueBytes: 64, Isolated: true, InPlace: true}, ByValue, ByValue, false, "by value, 800 ns"},
		{"in place already", Task{RefBytes: 64 * mib, ValueBytes: 8, Isolated: true, TasksPerValue: 1000}, InPlace, InPlace, false, "in place (shm.View"},
		{"a negative size is none", Task{ValueBytes: -1, RefBytes: -1}, Goroutine, ByValue, false, "the cheapest way is"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := Advise(someCosts(), tt.task)
			require.Equal(t, tt.best, a.Best)
			require.Equal(t, tt.process, a.BestProcess)
			require.Equal(t, tt.over, a.OverMost)
			if strings.HasSuffix(tt.text, ".") {
				require.Equal(t, tt.text, a.String())
			} else {
				require.Contains(t, a.String(), tt.text)
			}
		})
	}
}

// The cheapest of those that were asked for is one of them, and none of them is cheaper.
func TestAdviseCheapest(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	price := func() Curve {
		if random.IntN(6) == 0 {
			return nil
		}
		return Flat(math.Exp(10 * random.Float64()))
	}
	for range 2000 {
		c := &Costs{Goroutine: price(), Ref: price(), Shared: price(), Copy: price(), Value: price(), Pipe: price(), Gob: price()}
		task := Task{ValueBytes: random.Int64N(100), RefBytes: random.Int64N(100), Compute: time.Duration(random.IntN(1000)), Tasks: random.IntN(5),
			TasksPerValue: random.IntN(5), Isolated: random.IntN(2) == 0, Writes: random.IntN(2) == 0, InPlace: random.IntN(2) == 0}
		a := Advise(c, task)
		best, ok := a.Price(a.Best)
		for _, p := range a.Prices {
			require.Equal(t, task.excluded(p.Way), p.Excluded)
			if p.Excluded == "" {
				require.True(t, ok)
				require.LessOrEqual(t, best, p.NS)
			}
			require.False(t, p.Way == a.Best && p.Excluded != "")
		}
		require.False(t, task.Isolated && a.Best == Goroutine)
		require.False(t, task.Writes && (a.Best == InPlace || a.Best == Shared))
		require.NotEmpty(t, a.String())
		_, err := json.Marshal(a)
		require.NoError(t, err)
	}
}

// The rule of the 15 %: its bound is still good.
func TestRule(t *testing.T) {
	for _, tt := range []struct {
		gob, compute time.Duration
		over         bool
		text         string
	}{
		{15 * ms, 100 * ms, false, "15.0 % of the 100 ms that a task computes and not more than 15 %"},
		{15*ms + 1, 100 * ms, true, "15.0 % of the 100 ms that a task computes and more than 15 %"},
		{15*ms - 1, 100 * ms, false, "not more than"},
		{3, time.Hour, false, "less than 0.01 % of the 3600 s"},
		{4552, 60, true, "gob of 1.00 KiB takes 4.55 µs, 75.9 times the 60.0 ns that a task computes and more than 15 %"},
		{ms, 0, false, ""},
		{0, ms, false, ""},
	} {
		a := Advise(nil, Task{ValueBytes: 1024, Gob: tt.gob, Compute: tt.compute})
		require.Equal(t, tt.over, a.OverMost, "%v of %v", tt.gob, tt.compute)
		require.Contains(t, a.Rule(), tt.text)
		require.Equal(t, tt.text == "", a.Rule() == "")
		require.Empty(t, a.Best)
	}
	// Without prices it still names a way that the type can take.
	for _, tt := range []struct {
		task Task
		text string
	}{
		{Task{ValueBytes: 1024, InPlace: true}, "but be handed to a process in place (shm.View"},
		{Task{ValueBytes: 1024}, "but be handed to a process shared (pool.Share)"},
		{Task{ValueBytes: 8, RefBytes: 1024}, "but be handed to a process in place"},
		{Task{ValueBytes: 1024, Writes: true}, "but be handed to a process by value"},
	} {
		tt.task.Gob, tt.task.Compute = ms, ms
		require.Contains(t, Advise(nil, tt.task).Rule(), tt.text)
	}
}

func TestSaving(t *testing.T) {
	c := &Costs{Value: Flat(400), Pipe: Flat(1000)}
	a := Advise(c, Task{ValueBytes: 8, Isolated: true, Tasks: 3})
	require.Equal(t, 600.0, a.SavedPerTaskNS)
	require.Equal(t, 1800.0, a.SavedPerJobNS)
	require.Equal(t, "it saves 600 ns a task against gob over a pipe, 1.80 µs in a job of 3 tasks", a.Saving())
	c.Value = Flat(1500)
	a = Advise(c, Task{ValueBytes: 8, Isolated: true, Tasks: 2})
	require.Equal(t, -500.0, a.SavedPerTaskNS)
	require.Equal(t, "it costs more than gob over a pipe: 500 ns a task, 1.00 µs in a job of 2 tasks", a.Saving())
	c.Pipe = nil
	require.Empty(t, Advise(c, Task{ValueBytes: 8, Tasks: 2}).Saving())
}

// What was not measured, or not well, is left out.
func TestAdviseBadCosts(t *testing.T) {
	for name, c := range map[string]*Costs{
		"nil": nil, "none": {},
		"no numbers": {Goroutine: Flat(math.NaN()), Ref: Flat(-1), Copy: Flat(math.Inf(1)), Value: Curve{{8, 1}, {7, 2}}, Pipe: Flat(0), Gob: Flat(-0.1)},
	} {
		a := Advise(c, Task{ValueBytes: 1 << 20, RefBytes: 1 << 20, Compute: ms, Tasks: 7})
		require.Empty(t, a.Prices, name)
		require.Zero(t, a.GobNS, name)
		require.Zero(t, a.SavedPerJobNS, name)
		require.Equal(t, "nothing was measured that advice could follow from.", a.String(), name)
	}
}
