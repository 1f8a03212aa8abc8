package classify

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A machine with other load withholds cores, which the kernel counts, but a hypervisor
// withholds some that nobody counts. So a row may try again, and is given up, not failed,
// where there is no core to be had.
func TestMeasured(t *testing.T) {
	function := func(fn func()) func(*testing.T) (Verdict, error) {
		return func(t *testing.T) (Verdict, error) {
			return Func(t.Context(), func(context.Context) error { fn(); return nil }, nil)
		}
	}
	command := func(argv ...string) func(*testing.T) (Verdict, error) {
		return func(t *testing.T) (Verdict, error) { return Command(t.Context(), argv, nil) }
	}
	hash := sha256.New()
	block := make([]byte, 64<<10)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, make([]byte, 24<<20), 0o600))
	read := func() { // from the page cache
		f, err := os.Open(file)
		require.NoError(t, err)
		_, err = io.CopyBuffer(io.Discard, struct{ io.Reader }{f}, block)
		require.NoError(t, errors.Join(err, f.Close()))
	}
	const unknown = -1
	for _, tt := range []struct {
		name  string
		run   func(*testing.T) (Verdict, error)
		truth float64 // of the ratio
		class Workload
		route Route
		clock Clock
	}{
		{"sleeper", function(func() { time.Sleep(20 * time.Millisecond) }), 0, WorkloadIO, RouteGoroutine, ClockThread},
		{"spinner", function(func() { spin(20 * time.Millisecond) }), 1, WorkloadCPU, RouteGoroutine, ClockThread},
		{"very short spinner", function(func() { spin(time.Microsecond) }), 1, WorkloadCPU, RouteGoroutine, ClockThread},
		{"hash loop", function(func() { hash.Write(block) }), 1, WorkloadCPU, RouteGoroutine, ClockThread},
		{"file reader", function(read), 1, WorkloadCPU, RouteGoroutine, ClockThread},
		{"half and half", function(func() { useCPU(20 * time.Millisecond); time.Sleep(20 * time.Millisecond) }), 0.5, WorkloadMixed, RouteSplit, ClockThread},
		{"fan-out", function(func() {
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() { spin(60 * time.Millisecond) })
			}
			wg.Wait()
		}), unknown, WorkloadCPU, RouteGoroutine, ClockProcess},
		{"sleeping command", command("sleep", "0.2"), 0, WorkloadIO, RouteGoroutine, ClockChild},
		{"hashing command", command("sha512sum", file), 1, WorkloadCPU, RouteProcess, ClockChild},
		{"busy command", command("sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"), unknown, WorkloadCPU, RouteProcess, ClockChild},
		{"command whose child is busy", command("sh", "-c", "(i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done); exit 0"), unknown, WorkloadCPU, RouteProcess, ClockChild},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c Verdict
			for range 8 {
				var err error
				c, err = tt.run(t)
				require.NoError(t, err)
				if c.Wall <= 0 || math.IsNaN(c.CPUToWall) || c.CPUToWallMin > c.CPUToWall || c.CPUToWall > c.CPUToWallMax {
					t.Fatalf("not a measurement: %+v", c)
				}
				near := tt.truth == unknown || math.Abs(c.CPUToWall-tt.truth) <= 0.1
				if near && c.Workload == tt.class && c.Route == tt.route && c.Clock == tt.clock {
					require.Equal(t, 3, c.Repeats)
					if tt.truth == 0 {
						require.Positive(t, c.VoluntarySwitches, "it sleeps")
					}
					return
				}
			}
			if c.CPUWait > c.Wall/10 || busyMachine(t) {
				t.Skipf("this machine is too busy to tell: %s", c.Reason)
			}
			t.Errorf("got %.2f, %s, %s, %s, want %v, %s, %s, %s: %s", c.CPUToWall, c.Workload, c.Route, c.Clock, tt.truth, tt.class, tt.route, tt.clock, c.Reason)
		})
	}
}

// useCPU takes so much CPU time of the calling thread, which is locked.
func useCPU(d time.Duration) {
	var begin, now unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &begin)
	for now = begin; time.Duration(now.Nano()-begin.Nano()) < d; {
		unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now)
	}
}

// What is counted beside the time, by what is known of it.
func TestCounts(t *testing.T) {
	page := os.Getpagesize()
	fn := func(context.Context) error {
		for range 5 {
			time.Sleep(2 * time.Millisecond)
		}
		seg, err := unix.Mmap(-1, 0, 100*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
		if err != nil {
			return err
		}
		if err := unix.Madvise(seg, unix.MADV_NOHUGEPAGE); err != nil {
			return err
		}
		for i := range 100 {
			seg[i*page] = 1
		}
		return unix.Munmap(seg)
	}
	c, err := Func(t.Context(), fn, &Options{Clock: ClockThread})
	require.NoError(t, err)
	require.Equal(t, ClockThread, c.Clock)
	require.GreaterOrEqual(t, c.MinorFaults, 100.0)
	require.Less(t, c.MinorFaults, 200.0)
	require.Positive(t, c.VoluntarySwitches)
	require.NotNil(t, c.GC)

	c, err = Command(t.Context(), []string{"sh", "-c", "sleep 0.02; sleep 0.02"}, &Options{Repeats: 1})
	require.NoError(t, err)
	require.Greater(t, c.MinorFaults, 50.0, "a program is mapped")
	require.Greater(t, c.VoluntarySwitches, 1.0)
	require.Nil(t, c.GC)
}
