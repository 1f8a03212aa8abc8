package classify

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Samples of which every figure is known.
func TestJudge(t *testing.T) {
	const ms = time.Millisecond
	one := func(wall, cpu, process time.Duration) []cpuSample {
		return []cpuSample{{wall: wall, cpu: cpu, process: process, calls: 1}}
	}
	costs := &Costs{WakeNs: 45_000, Goroutine: RouteCost{FixedNs: 300}, Process: RouteCost{FixedNs: 1000, NsPerByte: 0.5}, ProcessRef: RouteCost{FixedNs: 1000},
		Gob: RouteCost{FixedNs: 5000, NsPerByte: 10}}
	for _, tt := range []struct {
		name    string
		samples []cpuSample
		command bool
		opts    Options
		class   Workload
		route   Route
		clock   Clock
		reason  []string // parts it must have

		gc       collections
		handOver bool
		warning  string // part of the only one
	}{
		{name: "waits", samples: one(100*ms, ms, ms), class: WorkloadIO, route: RouteGoroutine, clock: ClockThread,
			reason: []string{"it waits: 0.001 s of CPU (thread clock) in 0.1 s is 0.010, below 0.4", "nothing was calibrated"}},
		{name: "just waits", samples: one(1000*ms, 399*ms, 0), class: WorkloadIO, route: RouteGoroutine, clock: ClockThread},
		{name: "lower bound", samples: one(1000*ms, 400*ms, 0), class: WorkloadMixed, route: RouteSplit, clock: ClockThread},
		{name: "upper bound", samples: one(1000*ms, 700*ms, 0), class: WorkloadMixed, route: RouteSplit, clock: ClockThread,
			reason: []string{"0.7 s of CPU (thread clock) in 1 s is 0.700, between 0.4 and 0.7", "queue"}},
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
			class: WorkloadCPU, route: RouteProcess, clock: ClockChild, reason: []string{"is 1.500, above 0.7; it is another program, or not Go, which a process contains"}},
		{name: "command waits", samples: one(100*ms, ms, 0), command: true, opts: Options{Foreign: true}, class: WorkloadIO, route: RouteGoroutine, clock: ClockChild},
		{name: "fans out", samples: one(100*ms, ms, 180*ms), class: WorkloadCPU, route: RouteGoroutine, clock: ClockProcess,
			reason: []string{"its own thread used 0.001 s and the process 0.18 s", "(process clock)"}},
		{name: "a little beside it", samples: one(100*ms, ms, 20*ms), class: WorkloadIO, route: RouteGoroutine, clock: ClockThread},
		{name: "repeats differ", samples: append(one(100*ms, 10*ms, 0), append(one(100*ms, 90*ms, 0), one(100*ms, 80*ms, 0)...)...),
			class: WorkloadCPU, route: RouteGoroutine, clock: ClockThread, reason: []string{"the repeats differ in class, from 0.100 to 0.900"}},
		{name: "no core", samples: []cpuSample{{wall: 100 * ms, cpu: 30 * ms, cpuWait: 69 * ms, calls: 1}}, class: WorkloadCPU, route: RouteGoroutine, clock: ClockThread,
			reason: []string{"it computes: 0.03 s of CPU (thread clock) in 0.1 s, of which it was ready to run for 0.069 s without a core, is 0.968, above 0.7"}},
		{name: "half of the time no core", samples: []cpuSample{{wall: 100 * ms, cpu: 25 * ms, cpuWait: 50 * ms, calls: 1}}, class: WorkloadMixed, route: RouteSplit, clock: ClockThread},
		{name: "waits, and for a core", samples: []cpuSample{{wall: 100 * ms, cpu: ms, cpuWait: 60 * ms, calls: 1}}, class: WorkloadIO, route: RouteGoroutine, clock: ClockThread},
		{name: "no core for several threads", samples: []cpuSample{{wall: 100 * ms, cpu: 10 * ms, process: 60 * ms, cpuWait: ms, allWait: 140 * ms, calls: 1}}, class: WorkloadCPU, route: RouteGoroutine, clock: ClockProcess,
			reason: []string{"0.06 s of CPU (process clock) and 0.14 s of several threads that were ready to run without a core, in 0.1 s, is 2.000"}},
		{name: "nobody knows of a core", samples: []cpuSample{{wall: 100 * ms, cpu: 35 * ms, waitUnknown: 30 * ms, calls: 1}}, command: true, class: WorkloadIO, route: RouteGoroutine, clock: ClockChild,
			warning: "this machine is busy, and of 0.03 s of the CPU time nobody knows how long they waited for a core"},
		{name: "orphans", samples: []cpuSample{{wall: 100 * ms, cpu: 90 * ms, orphans: 80 * ms, calls: 1}}, command: true, opts: Options{Foreign: true}, class: WorkloadCPU, route: RouteProcess, clock: ClockChild,
			reason: []string{"0.08 s of the CPU were of processes whose parent had ended without waiting for them"}},
		{name: "priced", samples: one(100*ms, 99*ms, 0), opts: Options{MayCrash: true, Costs: costs, PayloadBytes: 4000},
			class: WorkloadCPU, route: RouteProcess, clock: ClockThread, reason: []string{"handing over 4000 bytes by one copy costs about 3µs a call, 0.003 % of its wall time; 45µs more where the worker sleeps"}},
		{name: "priced without payload", samples: one(100*ms, 10*ms, 0), opts: Options{Costs: costs},
			class: WorkloadIO, route: RouteGoroutine, clock: ClockThread, reason: []string{"handing it over costs about 300ns a call, 0.0003 %"}},
		{name: "by Ref", samples: one(100*ms, 99*ms, 0), opts: Options{MayCrash: true, Costs: costs, RefBytes: 1 << 20},
			class: WorkloadCPU, route: RouteProcess, clock: ClockThread, reason: []string{"handing over 1048576 bytes by Ref costs about 1µs a call"}},
		{name: "gob is cheap", samples: one(100*ms, 99*ms, 0), opts: Options{Costs: costs, PayloadBytes: 1 << 20},
			class: WorkloadCPU, route: RouteGoroutine, clock: ClockThread,
			reason: []string{"gob of its payload (1048576 bytes) would take 10.491ms, 10.6 % of the 0.099 s that it computes and not more than 15 %"}},
		{name: "gob is dear", samples: one(100*ms, 50*ms, 0), opts: Options{Costs: costs, PayloadBytes: 1 << 20}, handOver: true,
			class: WorkloadMixed, route: RouteSplit, clock: ClockThread,
			reason: []string{"hand its payload (1048576 bytes) to a process by Ref, as a shm.View: gob of it would take 10.491ms, 21 % of the 0.05 s that it computes and more than 15 %"}},
		{name: "by Ref already", samples: one(100*ms, 99*ms, 0), opts: Options{Costs: costs, PayloadBytes: 8, RefBytes: 4 << 20}, handOver: true,
			class: WorkloadCPU, route: RouteGoroutine, clock: ClockThread,
			reason: []string{"its payload (4194312 bytes, 4194304 by Ref) is handed over by Ref, and should be: gob of it would take 41.948ms, 42.4 % of the 0.099 s"}},
		{name: "no CPU at all", samples: one(100*ms, 0, 0), opts: Options{Costs: costs, PayloadBytes: 4 << 20}, handOver: true,
			class: WorkloadIO, route: RouteGoroutine, clock: ClockThread, reason: []string{"41.9 % of the 0.1 s"}},
		{name: "waits in processes", samples: one(100*ms, 10*ms, 0), opts: Options{Planned: RouteProcess},
			class: WorkloadIO, route: RouteGoroutine, clock: ClockThread, warning: "planned for processes: each of them would wait for 90 % of its time"},
		{name: "computes in processes", samples: one(100*ms, 99*ms, 0), opts: Options{Planned: RouteProcess}, class: WorkloadCPU, route: RouteGoroutine, clock: ClockThread},
		{name: "of the process, as was said", samples: one(100*ms, 30*ms, 45*ms), opts: Options{Clock: ClockProcess}, class: WorkloadMixed, route: RouteSplit, clock: ClockProcess},
		{name: "of the thread, as was said", samples: one(100*ms, 30*ms, 80*ms), opts: Options{Clock: ClockThread}, class: WorkloadIO, route: RouteGoroutine, clock: ClockThread},
		{name: "collects garbage", samples: one(100*ms, 50*ms, 100*ms), gc: collections{cpuS: 0.04, cycles: 7}, class: WorkloadCPU, route: RouteGoroutine, clock: ClockProcess,
			reason: []string{"40 % of the CPU went to the garbage collector"}},
		{name: "route not priced", samples: one(100*ms, 50*ms, 0), opts: Options{Costs: costs},
			class: WorkloadMixed, route: RouteSplit, clock: ClockThread, reason: []string{"omitted because it was not measured"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := judge(tt.samples, tt.opts, tt.command, tt.gc, tt.opts.payload())
			if c.Class != tt.class || c.Route != tt.route || c.Clock != tt.clock {
				t.Errorf("got %s, %s, %s, want %s, %s, %s", c.Class, c.Route, c.Clock, tt.class, tt.route, tt.clock)
			}
			for _, part := range tt.reason {
				require.Contains(t, c.Reason, part)
			}
			require.True(t, strings.HasPrefix(c.Reason, c.ClassReason+"; "+c.RouteReason))
			require.Equal(t, tt.handOver, c.Payload != nil && c.Payload.HandOverRef)
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
	c := judge([]cpuSample{
		{wall: 2 * time.Second, cpu: time.Second, process: time.Second, calls: 4, own: kernelCounts{8, 4, 400, 0}},
		{wall: 2 * time.Second, cpu: 2 * time.Second, process: 2 * time.Second, calls: 1, own: kernelCounts{3, 9, 50, 2}, all: kernelCounts{99, 99, 99, 99}},
		{wall: 3 * time.Second, cpu: 2700 * time.Millisecond, process: 2700 * time.Millisecond, calls: 3},
	}, Options{}, false, collections{0.57, 3}, nil)
	require.InDelta(t, 1.0, c.WallS, 1e-9) // of 0.5, 2, 1
	require.InDelta(t, 0.9, c.CPUS, 1e-9)  // of 0.25, 2, 0.9
	require.InDelta(t, 0.9, c.CPUToWall, 1e-9)
	require.InDelta(t, 0.5, c.CPUToWallMin, 1e-9)
	require.InDelta(t, 1.0, c.CPUToWallMax, 1e-9)
	require.Equal(t, 3, c.Repeats)
	require.Equal(t, 8, c.Calls)
	require.Equal(t, 2.0, c.VoluntarySwitches) // of 2, 3, 0
	require.Equal(t, 1.0, c.InvoluntarySwitches)
	require.Equal(t, 50.0, c.MinorFaults) // of 100, 50, 0
	require.Equal(t, 0.0, c.MajorFaults)
	require.InDelta(t, 0.1, *c.GCShare, 1e-9) // of 5.7 s in all
	require.Equal(t, uint64(3), c.GCCycles)

	text, err := json.Marshal(c)
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(text, &got))
	for _, key := range []string{"wall_s", "cpu_s", "cpu_to_wall", "cpu_to_wall_min", "cpu_to_wall_max", "class", "route", "reason", "repeats", "clock", "class_reason", "route_reason",
		"voluntary_switches", "involuntary_switches", "minor_faults", "major_faults", "gc_share"} {
		require.Contains(t, got, key)
	}
	require.Equal(t, 1.5, middle([]float64{1, 2}))
}
