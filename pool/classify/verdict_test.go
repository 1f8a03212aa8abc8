package classify

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/bench/cost"
)

// Samples of which every figure is known.
func TestJudge(t *testing.T) {
	const ms = time.Millisecond
	one := func(wall, cpu, process time.Duration) []sample {
		return []sample{{wall: wall, own: usage{cpu: cpu}, all: usage{cpu: process}, calls: 1}}
	}
	costs := &cost.Costs{WakeNS: 45_000, Goroutine: cost.Flat(300), Ref: cost.Flat(1000), Copy: cost.Curve{{Bytes: 0, NS: 1500}, {Bytes: 1 << 20, NS: 200_000}},
		Value: cost.Curve{{Bytes: 0, NS: 1000}, {Bytes: 4000, NS: 3000}, {Bytes: 1 << 20, NS: 500_000}},
		Pipe:  cost.Curve{{Bytes: 0, NS: 10_000}, {Bytes: 1 << 20, NS: 12e6}},
		Gob:   cost.Curve{{Bytes: 0, NS: 5000}, {Bytes: 1 << 20, NS: 10.5e6}}}
	for _, tt := range []struct {
		name    string
		samples []sample
		command bool
		opts    Options
		class   Workload
		route   Route
		clock   Clock
		reason  []string // parts it must have

		gc      gcStats
		over    bool   // more than 15 %
		warning string // part of the only one
	}{
		{name: "waits", samples: one(100*ms, ms, ms), class: WorkloadIO, route: RouteGoroutine, clock: ClockThread,
			reason: []string{"it waits: 1.00 ms of CPU time (thread clock) in 100 ms: a ratio of 0.010, below 0.4", "nothing was calibrated"}},
		{name: "just waits", samples: one(1000*ms, 399*ms, 0), class: WorkloadIO, route: RouteGoroutine, clock: ClockThread},
		{name: "lower bound", samples: one(1000*ms, 400*ms, 0), class: WorkloadMixed, route: RouteSplit, clock: ClockThread},
		{name: "upper bound", samples: one(1000*ms, 700*ms, 0), class: WorkloadMixed, route: RouteSplit, clock: ClockThread,
			reason: []string{"700 ms of CPU time (thread clock) in 1.00 s: a ratio of 0.700, between 0.4 and 0.7", "queue"}},
		{name: "just computes", samples: one(1000*ms, 701*ms, 0), class: WorkloadCPU, route: RouteGoroutine, clock: ClockThread,
			reason: []string{"no interpreter lock", "cheapest"}},
		{name: "computes, may crash", samples: one(100*ms, 99*ms, 0), opts: Options{MayCrash: true, KillSwitch: true},
			class: WorkloadCPU, route: RouteProcess, clock: ClockThread, reason: []string{"it may crash and needs a kill switch, which a process contains"}},
		{name: "computes, cgo", samples: one(100*ms, 99*ms, 0), opts: Options{Cgo: true}, class: WorkloadCPU, route: RouteProcess, clock: ClockThread},
		{name: "computes, ceiling", samples: one(100*ms, 99*ms, 0), opts: Options{MemoryCeiling: true}, class: WorkloadCPU, route: RouteProcess, clock: ClockThread},
		{name: "computes, own GC", samples: one(100*ms, 99*ms, 0), opts: Options{OwnGC: true}, class: WorkloadCPU, route: RouteProcess, clock: ClockThread},
		{name: "waits, may crash", samples: one(100*ms, ms, 0), opts: Options{MayCrash: true}, class: WorkloadIO, route: RouteGoroutine, clock: ClockThread,
			reason: []string{"it may crash, though"}},
		{name: "command computes", samples: one(100*ms, 150*ms, 0), command: true, opts: Options{Foreign: true},
			class: WorkloadCPU, route: RouteProcess, clock: ClockChild, reason: []string{"a ratio of 1.500, above 0.7; it is another program, or not Go, which a process contains"}},
		{name: "command waits", samples: one(100*ms, ms, 0), command: true, opts: Options{Foreign: true}, class: WorkloadIO, route: RouteGoroutine, clock: ClockChild},
		{name: "fans out", samples: one(100*ms, ms, 180*ms), class: WorkloadCPU, route: RouteGoroutine, clock: ClockProcess,
			reason: []string{"its own thread used 1.00 ms and the process 180 ms", "(process clock)"}},
		{name: "a little beside it", samples: one(100*ms, ms, 20*ms), class: WorkloadIO, route: RouteGoroutine, clock: ClockThread},
		{name: "repeats differ", samples: append(one(100*ms, 10*ms, 0), append(one(100*ms, 90*ms, 0), one(100*ms, 80*ms, 0)...)...),
			class: WorkloadCPU, route: RouteGoroutine, clock: ClockThread, reason: []string{"the repeats differ in class, from 0.100 to 0.900"}},
		{name: "no core", samples: []sample{{wall: 100 * ms, own: usage{cpu: 30 * ms, wait: 69 * ms}, calls: 1}}, class: WorkloadCPU, route: RouteGoroutine, clock: ClockThread,
			reason: []string{"it computes: 30.0 ms of CPU time (thread clock) in 100 ms, of which it was ready to run for 69.0 ms and had no core: a ratio of 0.968, above 0.7"}},
		{name: "half of the time no core", samples: []sample{{wall: 100 * ms, own: usage{cpu: 25 * ms, wait: 50 * ms}, calls: 1}}, class: WorkloadMixed, route: RouteSplit, clock: ClockThread},
		{name: "waits, and for a core", samples: []sample{{wall: 100 * ms, own: usage{cpu: ms, wait: 60 * ms}, calls: 1}}, class: WorkloadIO, route: RouteGoroutine, clock: ClockThread},
		{name: "no core for several threads", samples: []sample{{wall: 100 * ms, own: usage{cpu: 10 * ms, wait: ms}, all: usage{cpu: 60 * ms, wait: 140 * ms}, calls: 1}}, class: WorkloadCPU, route: RouteGoroutine, clock: ClockProcess,
			reason: []string{"60.0 ms of CPU time (process clock) in 100 ms, and 140 ms in which several threads were ready to run and had no core: a ratio of 2.000"}},
		{name: "nobody knows of a core", samples: []sample{{wall: 100 * ms, own: usage{cpu: 35 * ms}, waitUnknown: 30 * ms, calls: 1}}, command: true, class: WorkloadIO, route: RouteGoroutine, clock: ClockChild,
			warning: "this machine is busy, and for 30.0 ms of the CPU time it is unknown how long it waited for a core"},
		{name: "orphans", samples: []sample{{wall: 100 * ms, own: usage{cpu: 90 * ms}, orphans: 80 * ms, calls: 1}}, command: true, opts: Options{Foreign: true}, class: WorkloadCPU, route: RouteProcess, clock: ClockChild,
			reason: []string{"80.0 ms of the CPU time are of processes whose parent had ended without waiting for them"}},
		{name: "priced", samples: one(100*ms, 99*ms, 0), opts: Options{MayCrash: true, Costs: costs, PayloadBytes: 4000},
			class: WorkloadCPU, route: RouteProcess, clock: ClockThread, reason: []string{"the cheapest way is shared (pool.Share), 2.26 µs a task; it saves ", "handing it over costs about 2.26 µs a call, less than 0.01 % of the 100 ms that one takes; 45.0 µs more where the worker sleeps"}},
		{name: "priced without payload", samples: one(100*ms, 10*ms, 0), opts: Options{Costs: costs},
			class: WorkloadIO, route: RouteGoroutine, clock: ClockThread, reason: []string{"handing it over costs about 300 ns a call, less than 0.01 % of the 100 ms that one takes"}},
		{name: "in place", samples: one(100*ms, 99*ms, 0), opts: Options{MayCrash: true, Costs: costs, RefBytes: 1 << 20},
			class: WorkloadCPU, route: RouteProcess, clock: ClockThread, reason: []string{"the cheapest way is in place (shm.View, shm.Array or an Arrow record), 1.00 µs a task", "handing it over costs about 1.00 µs a call"}},
		{name: "gob is cheap", samples: one(100*ms, 99*ms, 0), opts: Options{Costs: costs, PayloadBytes: 1 << 20},
			class: WorkloadCPU, route: RouteGoroutine, clock: ClockThread,
			reason: []string{"gob of 1.00 MiB takes 10.5 ms, 10.6 % of the 99.0 ms that a task computes and not more than 15 %"}},
		{name: "gob is dear", samples: one(100*ms, 50*ms, 0), opts: Options{Costs: costs, PayloadBytes: 1 << 20}, over: true,
			class: WorkloadMixed, route: RouteSplit, clock: ClockThread,
			reason: []string{"gob of 1.00 MiB takes 10.5 ms, 21.0 % of the 50.0 ms that a task computes and more than 15 %: it should not be serialized for each task; the cheapest way is in a goroutine, 300 ns a task, and to a process shared (pool.Share), 200 µs"}},
		{name: "in place already", samples: one(100*ms, 99*ms, 0), opts: Options{Costs: costs, PayloadBytes: 8, RefBytes: 4 << 20}, over: true,
			class: WorkloadCPU, route: RouteGoroutine, clock: ClockThread,
			reason: []string{"gob of 4.00 MiB takes 42.0 ms, 42.4 % of the 99.0 ms", "and to a process in place"}},
		{name: "no CPU at all", samples: one(100*ms, 0, 0), opts: Options{Costs: costs, PayloadBytes: 4 << 20}, over: true,
			class: WorkloadIO, route: RouteGoroutine, clock: ClockThread, reason: []string{"42.0 % of the 100 ms"}},
		{name: "arrays by value", samples: one(100*ms, 20*ms, 0), opts: Options{Costs: costs, PayloadBytes: 1 << 20, inPlace: true}, over: true,
			class: WorkloadIO, route: RouteGoroutine, clock: ClockThread, reason: []string{"and to a process in place (shm.View, shm.Array or an Arrow record), 1.00 µs"}},
		{name: "gob takes longer than all of it", samples: one(100*ms, 60, 0), opts: Options{Costs: costs, PayloadBytes: 8}, over: true,
			class: WorkloadIO, route: RouteGoroutine, clock: ClockThread, reason: []string{"gob of 8 B takes 5.08 µs, 84.7 times the 60.0 ns that a task computes"}},
		{name: "waits in processes", samples: one(100*ms, 10*ms, 0), opts: Options{Planned: RouteProcess},
			class: WorkloadIO, route: RouteGoroutine, clock: ClockThread, warning: "planned for processes: each of them would wait for 90 % of its time"},
		{name: "computes in processes", samples: one(100*ms, 99*ms, 0), opts: Options{Planned: RouteProcess}, class: WorkloadCPU, route: RouteGoroutine, clock: ClockThread},
		{name: "of the process, as was said", samples: one(100*ms, 30*ms, 45*ms), opts: Options{Clock: ClockProcess}, class: WorkloadMixed, route: RouteSplit, clock: ClockProcess},
		{name: "of the thread, as was said", samples: one(100*ms, 30*ms, 80*ms), opts: Options{Clock: ClockThread}, class: WorkloadIO, route: RouteGoroutine, clock: ClockThread},
		{name: "collects garbage", samples: one(100*ms, 50*ms, 100*ms), gc: gcStats{40 * ms, 7}, class: WorkloadCPU, route: RouteGoroutine, clock: ClockProcess,
			reason: []string{"40.0 % of the CPU time went to the garbage collector"}},
		{name: "route not priced", samples: one(100*ms, 50*ms, 0), opts: Options{Costs: costs},
			class: WorkloadMixed, route: RouteSplit, clock: ClockThread, reason: []string{"omitted because it was not measured"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := judge(tt.samples, tt.opts, tt.command, tt.gc, tt.opts.payload())
			if c.Workload != tt.class || c.Route != tt.route || c.Clock != tt.clock {
				t.Errorf("got %s, %s, %s, want %s, %s, %s", c.Workload, c.Route, c.Clock, tt.class, tt.route, tt.clock)
			}
			for _, part := range tt.reason {
				require.Contains(t, c.Reason, part)
			}
			require.True(t, strings.HasPrefix(c.Reason, c.WorkloadReason+"; "+c.RouteReason))
			require.Equal(t, tt.over, c.Advice != nil && c.Advice.OverMost)
			if tt.warning == "" {
				require.Empty(t, c.Warnings)
			} else {
				require.Len(t, c.Warnings, 1)
				require.Contains(t, c.Warnings[0], tt.warning)
			}
			_, err := json.Marshal(c)
			require.NoError(t, err, "no NaN and no infinity")
			require.NotContains(t, strings.TrimSuffix(c.Reason, "."), ". ", "one sentence")
		})
	}
}

func TestJudgeFigures(t *testing.T) {
	seconds := func(s float64) time.Duration { return time.Duration(s * 1e9) }
	c := judge([]sample{
		{wall: seconds(2), own: usage{seconds(1), 0, kernelCounts{8, 4, 400, 0}}, all: usage{cpu: seconds(1)}, calls: 4},
		{wall: seconds(2), own: usage{seconds(2), 0, kernelCounts{3, 9, 50, 2}}, all: usage{seconds(2), 0, kernelCounts{99, 99, 99, 99}}, calls: 1},
		{wall: seconds(3), own: usage{cpu: seconds(2.7)}, all: usage{cpu: seconds(2.7)}, calls: 3},
	}, Options{}, false, gcStats{seconds(0.57), 3}, nil)
	require.Equal(t, seconds(1), c.Wall)  // of 0.5, 2, 1
	require.Equal(t, seconds(0.9), c.CPU) // of 0.25, 2, 0.9
	require.InDelta(t, 0.9, c.CPUToWall, 1e-9)
	require.InDelta(t, 0.5, c.CPUToWallMin, 1e-9)
	require.InDelta(t, 1.0, c.CPUToWallMax, 1e-9)
	require.Equal(t, 3, c.Repeats)
	require.Equal(t, 8, c.Calls)
	require.Equal(t, Counts{2, 1, 50, 0}, c.Counts) // of 2, 3, 0; of 1, 9, 0; of 100, 50, 0
	require.InDelta(t, 0.1, c.GCShare, 1e-9)        // of 5.7 s in all
	require.Equal(t, uint64(3), c.GCCycles)

	text, err := json.Marshal(c)
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(text, &got))
	for _, key := range []string{"times", "cpu_to_wall", "cpu_to_wall_min", "cpu_to_wall_max", "class", "route", "reason", "repeats", "clock", "class_reason", "route_reason",
		"voluntary_switches", "involuntary_switches", "minor_faults", "major_faults", "gc_share"} {
		require.Contains(t, got, key)
	}
}
