package pool

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
