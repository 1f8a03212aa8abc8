package pool

import (
	"context"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

type loadIn struct{ Spin, Sleep time.Duration }

// loaded computes for a while, as its thread's clock says, and waits for a while.
var loaded = Func("test.load", func(t *Task, in loadIn) (float64, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	x := 1.0
	end, ok := time.Duration(0), false
	for begin := threadCPU(); end < in.Spin || !ok; end, ok = threadCPU()-begin, true {
		for range 2000 {
			x = math.Sqrt(x + 1)
		}
	}
	time.Sleep(in.Sleep)
	return x, nil
})

// threadCPU is near enough: a goroutine that is moved meanwhile spins a little more.
func threadCPU() time.Duration {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}

// What the classifier says of a stage is what the stage takes of the CPU in a pipeline
// of worker processes: within 15 %, the median of several runs.
func TestPipelineCPUIsAsPredicted(t *testing.T) {
	for name, in := range map[string]loadIn{"computes": {Spin: 6 * time.Millisecond}, "does both": {Spin: 4 * time.Millisecond, Sleep: 4 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, &Options{Workers: 2})
			allUp(t, p, 2)
			const items, most = 40, 12
			var all []float64
			for try := 0; ; try++ {
				c, err := loaded.Classify(background(), in, nil)
				require.NoError(t, err)
				pl := NewPipeline(nil)
				out := Proc(pl, "load", From(pl, slices.Values(slices.Repeat([]loadIn{in}, items))), p, loaded, 0)
				require.NoError(t, Drain(background(), out, func(context.Context, float64) error { return nil }))
				s := pl.Stats().Stages[1]
				require.Equal(t, ClockChild, s.CPUClock)
				if try == 0 { // workers have begun in it
					continue
				}
				all = append(all, s.CPU.Seconds()/items/c.CPUS)
				slices.Sort(all)
				if mid := all[len(all)/2]; len(all) >= 3 && math.Abs(mid-1) <= 0.15 {
					t.Logf("observed / predicted: %.3f", all)
					return
				}
				require.Less(t, try, most, "observed / predicted: %.3f", all)
			}
		})
	}
}

// A stage that waits takes little of the CPU, and is faster by its width.
func TestPipelineOfWaits(t *testing.T) {
	run := func(width int) PipelineStats {
		pl := NewPipeline(nil)
		out := Go(pl, "wait", From(pl, slices.Values(make([]int, 64))), func(context.Context, int) (int, error) {
			time.Sleep(5 * time.Millisecond)
			return 0, nil
		}, width)
		require.NoError(t, Drain(background(), out, func(context.Context, int) error { return nil }))
		return pl.Stats()
	}
	one, eight := run(1), run(8)
	require.Greater(t, one.Wall.Seconds()/eight.Wall.Seconds(), 3.0)
	require.Less(t, one.SelfCPU.Seconds()/one.Wall.Seconds(), 0.25)
}
