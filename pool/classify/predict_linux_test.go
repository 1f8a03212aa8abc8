package classify

import (
	"context"
	"math"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
	"example.com/handoff/pool/pipeline"
)

// TestMain turns the test binary into a worker.
func TestMain(m *testing.M) {
	pool.Main()
	os.Exit(m.Run())
}

type loadIn struct{ Spin, Sleep time.Duration }

// loaded computes for a while, as its thread's clock says, and waits for a while.
var loaded = pool.Func("test.load", func(_ *pool.Task, in loadIn) (float64, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	useCPU(in.Spin)
	time.Sleep(in.Sleep)
	return 0, nil
})

// What the classifier says of a stage is what the stage takes of the CPU in a pipeline
// of worker processes: within 15 %, the median of three runs in a row. It waits for these:
// while other programs take the cores, a worker's own runtime takes more than its tasks do.
func TestPipelineCPUIsAsPredicted(t *testing.T) {
	for name, in := range map[string]loadIn{"computes": {Spin: 6 * time.Millisecond}, "does both": {Spin: 4 * time.Millisecond, Sleep: 4 * time.Millisecond}} {
		t.Run(name, func(t *testing.T) {
			p, err := pool.New(t.Context(), &pool.Options{Workers: 2})
			require.NoError(t, err)
			defer func() { require.NoError(t, p.Close(context.Background())) }()
			const items, most = 40, 24
			var all []float64
			for try := 0; ; try++ {
				c, err := Fn(t.Context(), loaded, in, nil)
				require.NoError(t, err)
				pl := pipeline.New(nil)
				out := pipeline.Proc(pl, "load", pipeline.From(pl, slices.Values(slices.Repeat([]loadIn{in}, items))), p, loaded, 0)
				require.NoError(t, pipeline.Drain(t.Context(), out, func(context.Context, float64) error { return nil }))
				s := pl.Stats().Stages[1]
				require.True(t, s.CPUKnown)
				if try == 0 { // workers have begun in it
					continue
				}
				all = append(all, s.CPU.Seconds()/items/c.CPU.Seconds())
				last := slices.Sorted(slices.Values(all[max(0, len(all)-3):]))
				if len(last) == 3 && math.Abs(last[1]-1) <= 0.15 {
					t.Logf("observed / predicted: %.3f", all)
					return
				}
				require.Less(t, try, most, "observed / predicted: %.3f", all)
			}
		})
	}
}
