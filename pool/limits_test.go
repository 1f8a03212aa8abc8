package pool

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

func TestShareMemory(t *testing.T) {
	const none, gib = math.MaxInt64, int64(1) << 30
	groups := func(most ...int64) (l []shm.Limit) {
		for _, m := range most {
			l = append(l, shm.Limit{Most: m})
		}
		return l
	}
	for name, c := range map[string]struct {
		own     int64
		groups  []shm.Limit
		workers int
		want    int64
	}{
		"no limit":            {none, nil, 1, 0},
		"no limit, many":      {none, nil, MaxWorkers, 0},
		"GOMEMLIMIT":          {gib, nil, 1, gib / 2},
		"GOMEMLIMIT, 2":       {gib, nil, 2, gib / 4},
		"GOMEMLIMIT, 3":       {gib, nil, 3, gib / 6},
		"cgroup":              {none, groups(gib), 4, gib / 8},
		"cgroup in a smaller": {none, groups(4*gib, gib, 2*gib), 1, gib / 2},
		"both, cgroup less":   {2 * gib, groups(gib), 1, gib / 2},
		"both, own less":      {gib, groups(2 * gib), 1, gib / 2},
		"many":                {gib, nil, MaxWorkers, minWorkerMemory},
		"next to nothing":     {0, nil, 1, minWorkerMemory},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, shareMemory(c.own, c.groups, c.workers))
		})
	}
}

func TestLimitOptions(t *testing.T) {
	for name, c := range map[string]struct {
		opts Options
		want string
	}{
		"negative procs":             {Options{Runtime: Runtime{Procs: -1}}, "expected 0 or more"},
		"negative memory":            {Options{Runtime: Runtime{Memory: -1}}, "expected 0 or more"},
		"negative, goroutine":        {Options{Runtime: Runtime{Procs: -1}, Isolation: Goroutine}, "expected 0 or more"},
		"procs, goroutine":           {Options{Runtime: Runtime{Procs: 1}, Isolation: Goroutine}, "Options.Runtime needs worker processes"},
		"affinity, goroutine":        {Options{Runtime: Runtime{Affinity: true}, Isolation: Goroutine}, "Options.Runtime needs worker processes"},
		"memory limit, goroutine":    {Options{MemoryLimit: 1 << 30, Isolation: Goroutine}, "Options.MemoryLimit needs worker processes"},
		"task timeout, goroutine":    {Options{TaskTimeout: 1, Isolation: Goroutine}, "Options.TaskTimeout needs worker processes"},
		"spares, goroutine":          {Options{Replacement: Replacement{Spares: 1}, Isolation: Goroutine}, "Options.Replacement.Spares needs worker processes"},
		"more than any machine has":  {Options{Runtime: Runtime{Procs: 4097}}, "Runtime.Procs is 4097, at most 4096"},
		"more than the runtime sees": {Options{Runtime: Runtime{Procs: math.MaxInt}}, "at most 4096"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(background(), &c.opts)
			require.ErrorContains(t, err, c.want)
		})
	}

	defer debug.SetMemoryLimit(debug.SetMemoryLimit(1 << 30))
	given := Options{Workers: 1, Runtime: Runtime{Procs: 4096, Memory: 1}}
	o, err := given.withDefaults()
	require.NoError(t, err)
	require.Equal(t, 4096, o.Runtime.Procs)
	require.Equal(t, int64(1), o.Runtime.Memory)

	for workers, want := range map[int]int{1: usableCores(), usableCores(): 1, usableCores() + 1: 1, MaxWorkers: 1} {
		o, err := (&Options{Workers: workers}).withDefaults()
		require.NoError(t, err)
		require.Equal(t, want, o.Runtime.Procs, "%d workers", workers)
	}
}
