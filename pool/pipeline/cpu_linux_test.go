package pipeline

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool"
)

// A stage that waits takes little of the CPU, and is faster by its width.
func TestOfWaits(t *testing.T) {
	run := func(width int) Stats {
		pl := New(nil)
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

// burnOut computes until its worker has used so much more CPU time, and then kills it the
// first time.
var burnOut = pool.Func("test.burnOut", func(t *pool.Task, d time.Duration) (int, error) {
	for end := selfCPU() + d; selfCPU() < end; {
	}
	if t.Attempt() == 1 {
		unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
	return 1, nil
})

// The CPU time of a process stage is that of all its workers, whether they have died or
// were retired meanwhile, and nobody has looked at them before.
func TestCountsTheDead(t *testing.T) {
	const each, items = 30 * time.Millisecond, 4
	for _, recycle := range []int64{0, 1} {
		p := newPool(t, &pool.Options{Workers: 2, Replacement: pool.Replacement{AfterTasks: recycle}})
		pl := New(nil)
		in := Go(pl, "time", From(pl, numbers(items)), func(context.Context, int) (time.Duration, error) { return each, nil }, 1)
		require.NoError(t, Drain(background(), Proc(pl, "burn", in, p.Pool, burnOut, 2), func(context.Context, int) error { return nil }))
		s := pl.Stats().Stages[2]
		require.Equal(t, "burn", s.Name)
		require.True(t, s.CPUKnown)
		require.EqualValues(t, items, settled(t, p).Deaths[pool.ExitSignal])
		least := 2 * items * each // once for the attempt that was lost
		if recycle > 0 {
			least -= 2 * each // the last ones may be on their way out
		}
		require.GreaterOrEqual(t, s.CPU, least)
	}
}
