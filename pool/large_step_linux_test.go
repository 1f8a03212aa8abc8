//go:build handoff_fault

package pool

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Wherever a worker ends between writing a long result and the supervisor's taking it, the
// task has that result or is tried again, and its side block is freed.
func TestStepDeathsOfLargeResults(t *testing.T) {
	for _, step := range []string{"large-written", "task-ran", "result-put", "result-published", "result-rung"} {
		t.Run(step, func(t *testing.T) {
			fault := newFault(t, step, 3, false)
			p := newPool(t, &Options{Workers: 2, Env: fault.env})
			var ins []largeIn
			var futures []Future[largeOut]
			for i := range 20 {
				in := largeIn{Seed: i, Bytes: 50_000, Text: text(i, 20_000)}
				f, err := large.Submit(background(), p, in)
				require.NoError(t, err)
				ins, futures = append(ins, in), append(futures, f)
			}
			_, err := fault.pid()
			require.NoError(t, err)
			eventually(t, func() bool { return p.Stats().Unresolved == 0 }, "not done")
			for i, f := range futures {
				out, err := f.Wait(background())
				require.NoError(t, err)
				ins[i].of(t, out)
			}
			idleArenas(t, p)
			s := settled(t, p)
			require.Equal(t, map[ExitClass]int64{ExitSignal: 1}, s.Deaths)
			require.LessOrEqual(t, s.Retries, int64(1))
		})
	}
}
