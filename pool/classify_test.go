package pool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func needsLinux(t *testing.T) {
	if runtime.GOOS != "linux" {
		_, err := Classify(t.Context(), func(context.Context) error { return nil }, nil)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		t.Skip("classifying needs Linux")
	}
}

func spin(d time.Duration) {
	for begin := time.Now(); time.Since(begin) < d; {
	}
}

// Samples of which every figure is known.
func TestJudge(t *testing.T) {
	const ms = time.Millisecond
	one := func(wall, cpu, process time.Duration) []cpuSample {
		return []cpuSample{{wall: wall, cpu: cpu, process: process, calls: 1}}
	}
	costs := &Costs{Goroutine: RouteCost{FixedNs: 300}, Process: RouteCost{FixedNs: 1000, NsPerByte: 0.5}}
	for _, tt := range []struct {
		name    string
		samples []cpuSample
		command bool
		opts    ClassifyOptions
		class   StageClass
		route   Route
		clock   CPUClock
		reason  []string // parts it must have
	}{
		{name: "waits", samples: one(100*ms, ms, ms), class: ClassIO, route: RouteGoroutine, clock: ClockThread,
			reason: []string{"it waits: 0.001 s of CPU (thread clock) in 0.1 s is 0.010, below 0.4", "nothing was calibrated"}},
		{name: "just waits", samples: one(1000*ms, 399*ms, 0), class: ClassIO, route: RouteGoroutine, clock: ClockThread},
		{name: "lower bound", samples: one(1000*ms, 400*ms, 0), class: ClassMixed, route: RouteSplit, clock: ClockThread},
		{name: "upper bound", samples: one(1000*ms, 700*ms, 0), class: ClassMixed, route: RouteSplit, clock: ClockThread,
			reason: []string{"0.7 s of CPU (thread clock) in 1 s is 0.700, between 0.4 and 0.7", "queue"}},
		{name: "just computes", samples: one(1000*ms, 701*ms, 0), class: ClassCPU, route: RouteGoroutine, clock: ClockThread,
			reason: []string{"no interpreter lock", "cheapest"}},
		{name: "computes, may crash", samples: one(100*ms, 99*ms, 0), opts: ClassifyOptions{MayCrash: true, KillSwitch: true},
			class: ClassCPU, route: RouteProcess, clock: ClockThread, reason: []string{"it may crash and needs a kill switch, which a process contains"}},
		{name: "computes, cgo", samples: one(100*ms, 99*ms, 0), opts: ClassifyOptions{Cgo: true}, class: ClassCPU, route: RouteProcess, clock: ClockThread},
		{name: "computes, ceiling", samples: one(100*ms, 99*ms, 0), opts: ClassifyOptions{MemoryCeiling: true}, class: ClassCPU, route: RouteProcess, clock: ClockThread},
		{name: "computes, own GC", samples: one(100*ms, 99*ms, 0), opts: ClassifyOptions{OwnGC: true}, class: ClassCPU, route: RouteProcess, clock: ClockThread},
		{name: "waits, may crash", samples: one(100*ms, ms, 0), opts: ClassifyOptions{MayCrash: true}, class: ClassIO, route: RouteGoroutine, clock: ClockThread,
			reason: []string{"it may crash, though"}},
		{name: "command computes", samples: one(100*ms, 150*ms, 0), command: true, opts: ClassifyOptions{Foreign: true},
			class: ClassCPU, route: RouteProcess, clock: ClockChild, reason: []string{"is 1.500, above 0.7, and it is not Go"}},
		{name: "command waits", samples: one(100*ms, ms, 0), command: true, opts: ClassifyOptions{Foreign: true}, class: ClassIO, route: RouteGoroutine, clock: ClockChild},
		{name: "fans out", samples: one(100*ms, ms, 180*ms), class: ClassCPU, route: RouteGoroutine, clock: ClockProcess,
			reason: []string{"its own thread used 0.001 s and the process 0.18 s", "(process clock)"}},
		{name: "a little beside it", samples: one(100*ms, ms, 20*ms), class: ClassIO, route: RouteGoroutine, clock: ClockThread},
		{name: "repeats differ", samples: append(one(100*ms, 10*ms, 0), append(one(100*ms, 90*ms, 0), one(100*ms, 80*ms, 0)...)...),
			class: ClassCPU, route: RouteGoroutine, clock: ClockThread, reason: []string{"the repeats differ in class, from 0.100 to 0.900"}},
		{name: "no core", samples: []cpuSample{{wall: 100 * ms, cpu: 50 * ms, cpuWait: 40 * ms, calls: 1}}, class: ClassMixed, route: RouteSplit, clock: ClockThread,
			reason: []string{"it was ready to run for 0.04 s more but had no core, and an idle machine would show about 0.833, which is cpu"}},
		{name: "priced", samples: one(100*ms, 99*ms, 0), opts: ClassifyOptions{MayCrash: true, Costs: costs, PayloadBytes: 4000},
			class: ClassCPU, route: RouteProcess, clock: ClockThread, reason: []string{"handing over 4000 bytes costs about 3µs a call, 0.003 %"}},
		{name: "route not priced", samples: one(100*ms, 50*ms, 0), opts: ClassifyOptions{Costs: costs},
			class: ClassMixed, route: RouteSplit, clock: ClockThread, reason: []string{"omitted because it was not measured"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := judge(tt.samples, tt.opts, tt.command)
			if c.Class != tt.class || c.Route != tt.route || c.Clock != tt.clock {
				t.Errorf("got %s, %s, %s, want %s, %s, %s", c.Class, c.Route, c.Clock, tt.class, tt.route, tt.clock)
			}
			for _, part := range tt.reason {
				require.Contains(t, c.Reason, part)
			}
			require.NotContains(t, strings.TrimSuffix(c.Reason, "."), ". ", "one sentence")
		})
	}
}

func TestJudgeFigures(t *testing.T) {
	c := judge([]cpuSample{
		{wall: 2 * time.Second, cpu: time.Second, process: time.Second, calls: 4},
		{wall: 2 * time.Second, cpu: 2 * time.Second, process: 2 * time.Second, calls: 1},
		{wall: 3 * time.Second, cpu: 2700 * time.Millisecond, process: 2700 * time.Millisecond, calls: 3},
	}, ClassifyOptions{}, false)
	require.InDelta(t, 1.0, c.WallS, 1e-9) // of 0.5, 2, 1
	require.InDelta(t, 0.9, c.CPUS, 1e-9)  // of 0.25, 2, 0.9
	require.InDelta(t, 0.9, c.CPUToWall, 1e-9)
	require.InDelta(t, 0.5, c.CPUToWallMin, 1e-9)
	require.InDelta(t, 1.0, c.CPUToWallMax, 1e-9)
	require.Equal(t, 3, c.Repeats)
	require.Equal(t, 8, c.Calls)

	text, err := json.Marshal(c)
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(text, &got))
	for _, key := range []string{"wall_s", "cpu_s", "cpu_to_wall", "cpu_to_wall_min", "cpu_to_wall_max", "class", "route", "reason", "repeats", "clock"} {
		require.Contains(t, got, key)
	}
	require.Equal(t, 1.5, middle([]float64{1, 2}))
}

func TestCostsPrice(t *testing.T) {
	for _, tt := range []struct {
		name   string
		costs  *Costs
		want   float64
		wantOK bool
	}{
		{"nil", nil, 0, false},
		{"zero", &Costs{}, 0, false},
		{"fixed", &Costs{Process: RouteCost{FixedNs: 5}}, 5, true},
		{"per byte", &Costs{Process: RouteCost{FixedNs: 5, NsPerByte: 2}}, 25, true},
		{"negative", &Costs{Process: RouteCost{FixedNs: -5, NsPerByte: 2}}, 0, false},
		{"NaN", &Costs{Process: RouteCost{FixedNs: math.NaN()}}, 0, false},
		{"infinite", &Costs{Process: RouteCost{NsPerByte: math.Inf(1)}}, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := tt.costs.price(RouteProcess, 10)
			if ok != tt.wantOK || ok && got != tt.want {
				t.Errorf("got %v, %v, want %v, %v", got, ok, tt.want, tt.wantOK)
			}
		})
	}
}

func TestClassifyMistakes(t *testing.T) {
	require.PanicsWithValue(t, "pool: Classify: fn is nil", func() { Classify(t.Context(), nil, nil) })
	for _, o := range []ClassifyOptions{{Repeats: -1}, {MinSample: -1}, {MaxCalls: -1}, {PayloadBytes: -1}} {
		require.Panics(t, func() { ClassifyCommand(t.Context(), []string{"true"}, &o) }, "%+v", o)
	}
	_, err := ClassifyCommand(t.Context(), nil, nil)
	require.ErrorContains(t, err, "no command")
}

// busyMachine reports whether a thread that only computes is kept waiting for a
// core for a tenth of the time.
func busyMachine(t *testing.T) bool {
	t.Helper()
	c, err := Classify(t.Context(), func(context.Context) error { spin(50 * time.Millisecond); return nil }, nil)
	require.NoError(t, err)
	return c.CPUWaitS > 0.1*c.WallS
}

// A machine with other load withholds cores, and then a computing stage does
// look like a mixed one. So a row may try again, and is given up, not failed,
// where there is no core to be had.
func TestClassifyMeasured(t *testing.T) {
	needsLinux(t)
	function := func(fn func()) func(*testing.T) (Classification, error) {
		return func(t *testing.T) (Classification, error) {
			return Classify(t.Context(), func(context.Context) error { fn(); return nil }, nil)
		}
	}
	command := func(argv ...string) func(*testing.T) (Classification, error) {
		return func(t *testing.T) (Classification, error) { return ClassifyCommand(t.Context(), argv, nil) }
	}
	for _, tt := range []struct {
		name  string
		run   func(*testing.T) (Classification, error)
		class StageClass
		route Route
		clock CPUClock
	}{
		{"sleeper", function(func() { time.Sleep(20 * time.Millisecond) }), ClassIO, RouteGoroutine, ClockThread},
		{"spinner", function(func() { spin(20 * time.Millisecond) }), ClassCPU, RouteGoroutine, ClockThread},
		{"very short spinner", function(func() { spin(time.Microsecond) }), ClassCPU, RouteGoroutine, ClockThread},
		{"half and half", function(func() { spin(12 * time.Millisecond); time.Sleep(8 * time.Millisecond) }), ClassMixed, RouteSplit, ClockThread},
		{"fan-out", function(func() {
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() { spin(60 * time.Millisecond) })
			}
			wg.Wait()
		}), ClassCPU, RouteGoroutine, ClockProcess},
		{"sleeping command", command("sleep", "0.3"), ClassIO, RouteGoroutine, ClockChild},
		{"busy command", command("sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"), ClassCPU, RouteProcess, ClockChild},
		{"command whose child is busy", command("sh", "-c", "(i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done); exit 0"), ClassCPU, RouteProcess, ClockChild},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c Classification
			for range 8 {
				var err error
				c, err = tt.run(t)
				require.NoError(t, err)
				if c.WallS <= 0 || math.IsNaN(c.CPUToWall) || c.CPUToWallMin > c.CPUToWall || c.CPUToWall > c.CPUToWallMax {
					t.Fatalf("not a measurement: %+v", c)
				}
				if c.Class == tt.class && c.Route == tt.route && c.Clock == tt.clock {
					require.Equal(t, 3, c.Repeats)
					return
				}
			}
			if c.CPUWaitS > 0.1*c.WallS || busyMachine(t) {
				t.Skipf("this machine is too busy to tell: %s", c.Reason)
			}
			t.Errorf("got %s, %s, %s, want %s, %s, %s: %s", c.Class, c.Route, c.Clock, tt.class, tt.route, tt.clock, c.Reason)
		})
	}
}

// A thread's CPU time must be of now, not of the last scheduler tick: then a
// sample shorter than a tick would show no CPU at all, or that of a whole tick.
func TestClassifyBelowOneTick(t *testing.T) {
	needsLinux(t)
	var c Classification
	for range 8 { // the load of the machine can lower the ratio, nothing can raise it
		var err error
		c, err = Classify(t.Context(), func(context.Context) error { spin(1200 * time.Microsecond); return nil },
			&ClassifyOptions{Repeats: 25, MinSample: time.Millisecond})
		require.NoError(t, err)
		if c.Clock == ClockThread && c.CPUToWallMax < 1.5 && c.CPUToWallMax > 0.7 && c.CPUToWall > 0.3 {
			return
		}
	}
	t.Errorf("got ratios from %.2f to %.2f, want about 1: %s", c.CPUToWallMin, c.CPUToWallMax, c.Reason)
}

func TestClassifyCalls(t *testing.T) {
	needsLinux(t)
	n := 0
	fn := func(context.Context) error { n++; time.Sleep(2 * time.Millisecond); return nil }
	c, err := Classify(t.Context(), fn, &ClassifyOptions{Repeats: 1, MaxCalls: 1, MinSample: time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, 1, n, "asked for exactly one call")
	require.Equal(t, 1, c.Calls)

	n = 0
	c, err = Classify(t.Context(), fn, &ClassifyOptions{Repeats: 2})
	require.NoError(t, err)
	require.Equal(t, n, c.Calls)
	require.Greater(t, n, 2, "short calls are repeated within a sample")
}

func TestClassifyTooShort(t *testing.T) {
	needsLinux(t)
	_, err := Classify(t.Context(), func(context.Context) error { return nil }, &ClassifyOptions{MaxCalls: 1})
	require.ErrorIs(t, err, ErrSampleTooShort)
	require.ErrorContains(t, err, "at least 50ms is needed; give it more data or raise MaxCalls")

	_, err = ClassifyCommand(t.Context(), []string{"true"}, &ClassifyOptions{MinSample: time.Hour})
	require.ErrorIs(t, err, ErrSampleTooShort)
	require.ErrorContains(t, err, "at least 1h0m0s is needed; give it more data")
}

func TestClassifyFunctionFails(t *testing.T) {
	needsLinux(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	mine := errors.New("mine")
	for _, tt := range []struct {
		name string
		fn   func(context.Context) error
		is   error
		text string
	}{
		{"error", func(context.Context) error { return mine }, mine, "the function failed: mine"},
		{"panic", func(context.Context) error { panic("ouch 42") }, nil, "the function panicked: ouch 42\ngoroutine "},
		{"panic, stack", func(context.Context) error { panic(7) }, nil, "TestClassifyFunctionFails"},
		{"panic with an error", func(context.Context) error { panic(mine) }, mine, "the function panicked: mine"},
		{"Goexit", func(context.Context) error { runtime.Goexit(); return nil }, nil, "runtime.Goexit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Classify(t.Context(), tt.fn, nil)
			require.ErrorContains(t, err, tt.text)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
		})
	}
}

func TestClassifyFunctionCancelled(t *testing.T) {
	needsLinux(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, tt := range []struct {
		name string
		fn   func(ctx context.Context, release chan struct{}) error
	}{
		{"heeds ctx", func(ctx context.Context, _ chan struct{}) error { <-ctx.Done(); return ctx.Err() }},
		{"cut short", func(ctx context.Context, _ chan struct{}) error { <-ctx.Done(); return nil }},
		{"ignores ctx", func(_ context.Context, release chan struct{}) error { <-release; return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			release := make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			_, err := Classify(ctx, func(ctx context.Context) error {
				cancel()
				return tt.fn(ctx, release)
			}, nil)
			require.ErrorIs(t, err, context.Canceled)
			close(release)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Classify(ctx, func(context.Context) error { panic("must not run") }, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestClassifyCommandFails(t *testing.T) {
	needsLinux(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	exit := func(t *testing.T, err error, code int) {
		var e *exec.ExitError
		require.ErrorAs(t, err, &e)
		require.Equal(t, code, e.ExitCode())
	}
	for _, tt := range []struct {
		name  string
		argv  []string
		check func(t *testing.T, err error)
		text  string
	}{
		{"missing", []string{"handoff-no-such-command"}, func(t *testing.T, err error) { require.ErrorIs(t, err, exec.ErrNotFound) }, "handoff-no-such-command"},
		{"a directory", []string{"/"}, func(t *testing.T, err error) { require.Error(t, err) }, `"/"`},
		{"exit", []string{"sh", "-c", `printf 'one\ntwo \033[31mred\n' >&2; exit 3`},
			func(t *testing.T, err error) { exit(t, err, 3) }, `exit status 3; its stderr ends "one\ntwo \x1b[31mred"`},
		{"silent exit", []string{"false"}, func(t *testing.T, err error) { exit(t, err, 1) }, `"false": exit status 1`},
		{"signal", []string{"sh", "-c", "kill -9 $$"}, func(t *testing.T, err error) { exit(t, err, -1) }, "signal: killed"},
		{"much stderr", []string{"sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1"},
			func(t *testing.T, err error) { exit(t, err, 1) }, `ends "line 2995\nline 2996\nline 2997\nline 2998\nline 2999"`},
		{"one long line", []string{"sh", "-c", "head -c 100000 /dev/zero >&2; exit 1"}, func(t *testing.T, err error) { exit(t, err, 1) }, `\x00`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ClassifyCommand(t.Context(), tt.argv, nil)
			require.ErrorContains(t, err, tt.text)
			tt.check(t, err)
			require.NotContains(t, err.Error(), "\n", "one line")
			require.NotContains(t, err.Error(), "\x1b", "nothing a terminal would act on")
			require.Less(t, len(err.Error()), 8<<10)
		})
	}
}

// gone waits until the process whose pid is in the file no longer runs: at
// most a zombie is left, which is for its new parent to reap.
func gone(t *testing.T, pidFile string) {
	t.Helper()
	pid, err := os.ReadFile(pidFile)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "stat"))
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, 10*time.Second, 5*time.Millisecond, "process %s is still there", pid)
}

func TestClassifyCommandCancelled(t *testing.T) {
	needsLinux(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready")
	script := fmt.Sprintf("cd '%s'; echo $$ >parent; sleep 1000 & echo $! >child; : >ready; wait", dir)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // a watchdog
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(ready); err == nil {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, err := ClassifyCommand(ctx, []string{"sh", "-c", script}, nil)
	require.ErrorIs(t, err, context.Canceled)
	gone(t, filepath.Join(dir, "parent"))
	gone(t, filepath.Join(dir, "child"))
}

// A child that is left behind holds stderr open. It is killed, and the time
// for which it would have held things up is not counted.
func TestClassifyCommandLeavesNothing(t *testing.T) {
	needsLinux(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	child := filepath.Join(t.TempDir(), "child")
	script := fmt.Sprintf("sleep 1000 & echo $! >'%s'; sleep 0.05", child)
	c, err := ClassifyCommand(t.Context(), []string{"sh", "-c", script}, &ClassifyOptions{Repeats: 1})
	require.NoError(t, err)
	require.Less(t, c.WallS, 100.0)
	gone(t, child)
}
