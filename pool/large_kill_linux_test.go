package pool

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A result in a side block is its task's, whatever becomes of the worker before anybody
// waits for it.
func TestByValueOutlivesItsWorker(t *testing.T) {
	for _, anonymous := range []bool{false, true} {
		p := newPool(t, &Options{Workers: 1, Arenas: Arenas{Anonymous: anonymous}})
		var ins []largeIn
		var futures []Future[largeOut]
		for i := range 6 {
			in := largeIn{Seed: i, Bytes: 300_000, Text: text(i, 100_000)}
			f, err := large.Submit(background(), p, in)
			require.NoError(t, err)
			ins, futures = append(ins, in), append(futures, f)
		}
		eventually(t, func() bool { return p.Stats().Unresolved == 0 }, "not done")
		require.NoError(t, unix.Kill(p.Stats().Workers[0].PID, unix.SIGKILL))
		eventually(t, func() bool { return settled(t, p).Deaths[ExitSignal] == 1 }, "the death is not noticed")
		futures[5].Discard()
		out, err := large.Call(background(), p, ins[0]) // by the next worker
		require.NoError(t, err)
		ins[0].of(t, out)
		for i, f := range futures[:5] {
			out, err := f.Wait(background())
			require.NoError(t, err)
			ins[i].of(t, out)
		}
		idleArenas(t, p)
		require.Zero(t, p.Stats().Retries)
	}
}

// counting counts how often values of it are encoded, and in its process decoded.
type counting struct{ N, Bytes int }

var (
	countingEncodes atomic.Int64
	countingDecodes sync.Map // N → *atomic.Int64
)

func (c counting) GobEncode() ([]byte, error) {
	countingEncodes.Add(1)
	return append(fmt.Appendf(nil, "%d %d ", c.N, c.Bytes), make([]byte, c.Bytes)...), nil
}

func (c *counting) GobDecode(b []byte) error {
	_, err := fmt.Sscanf(string(b[:min(len(b), 40)]), "%d %d ", &c.N, &c.Bytes)
	c.decodes().Add(1)
	return err
}

// decodes counts how often values of this N were decoded.
func (c *counting) decodes() *atomic.Int64 {
	n, _ := countingDecodes.LoadOrStore(c.N, new(atomic.Int64))
	return n.(*atomic.Int64)
}

var countDecodes = ReduceFunc("test.countDecodes", func(t *Task, in counting, lo, hi int) (map[int]int64, error) {
	return map[int]int64{os.Getpid(): in.decodes().Load()}, nil
}, func(a, b map[int]int64) map[int]int64 {
	for pid, n := range b {
		a[pid] = max(a[pid], n)
	}
	return a
})

// The arguments of a range are encoded once, and decoded once in each worker, however many
// blocks it runs and whatever it runs between them.
func TestRangeArgumentsOnce(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		for _, bytes := range []int{10, 100_000} {
			var stop atomic.Bool
			var others sync.WaitGroup
			others.Go(func() { // which the workers run between blocks
				for !stop.Load() {
					if _, err := addOne.Call(background(), p, 1); err != nil {
						t.Error(err)
						return
					}
				}
			})
			before := countingEncodes.Load()
			var report RangeReport
			in := counting{int(before) + 1, bytes}
			got, err := countDecodes.Reduce(background(), p, in, 2000, &RangeOptions{Grain: 1, Report: &report})
			stop.Store(true)
			others.Wait()
			require.NoError(t, err)
			require.Greater(t, report.Blocks, 10)
			require.Equal(t, int64(1), countingEncodes.Load()-before)
			for pid, n := range got {
				most := int64(1)
				if pid == os.Getpid() { // both workers are in this process
					most = 2
				}
				require.True(t, 1 <= n && n <= most, "decoded %d times", n)
			}
			idleArenas(t, p)
		}
	})
}
