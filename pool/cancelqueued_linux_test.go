package pool

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

type gatedIn struct {
	Gate shm.Array[uint32] // [0]: tasks that have begun, [1]: they may end
	N    int
}

var gatedTask = Func("test.gatedTask", func(_ *Task, in gatedIn) (int, error) {
	gate := in.Gate.Data()
	atomic.AddUint32(&gate[0], 1)
	for atomic.LoadUint32(&gate[1]) == 0 {
		time.Sleep(time.Millisecond)
	}
	return in.N, nil
})

// What a worker runs goes on, everything else is cancelled: in a lane and where the
// lanes are full. What is submitted afterwards runs.
func TestCancelQueued(t *testing.T) {
	for _, isolation := range []Isolation{Process, Goroutine} {
		t.Run(string(isolation), func(t *testing.T) {
			p := newPool(t, &Options{Workers: 1, Replacement: Replacement{KeepWidth: true}, Isolation: isolation})
			array, err := shm.Make[uint32](p.Outputs(), 2)
			require.NoError(t, err)
			defer array.Release()
			const n = 3000
			var futures [n]Future[int]
			for i := range futures {
				futures[i], err = gatedTask.Submit(background(), p, gatedIn{array, i})
				require.NoError(t, err)
			}
			gate := array.Data()
			eventually(t, func() bool { return atomic.LoadUint32(&gate[0]) == 1 }, "the first has not begun")
			p.CancelQueued()
			later, err := gatedTask.Submit(background(), p, gatedIn{array, n})
			require.NoError(t, err)
			atomic.StoreUint32(&gate[1], 1)
			for i, f := range futures {
				got, err := f.Wait(background())
				if i == 0 {
					require.NoError(t, err)
					require.Zero(t, got)
				} else {
					require.ErrorIs(t, err, ErrCancelled, "task %d", i)
				}
			}
			got, err := later.Wait(background())
			require.NoError(t, err)
			require.Equal(t, n, got)
			require.Equal(t, uint32(2), gate[0])
			s := p.Stats()
			require.Equal(t, []int64{2, 0, n - 1, 2}, []int64{s.Done, s.Failed, s.Cancelled, s.Attempts})
		})
	}
}
