package pool

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	policy "example.com/handoff/pool/internal/task"
	"example.com/handoff/pool/internal/wire"
)

// A task that no worker begins, as far as one can tell, is moved from one to the next,
// but not for ever: it may be that they run it and say that they have not begun it.
func TestTaskIsNotMovedForEver(t *testing.T) {
	p := newBarePool(2)
	p.startBare(t, 0)
	p.startBare(t, 1)
	task := &task{entry: addOne.e, id: wire.TaskID{Index: 0, Epoch: 1}, state: taskPending}
	p.tasks.all = append(p.tasks.all, task)
	p.tasks.pending.pushBack(task)
	p.dispatchLocked()
	moves := 0
	for ; moves < 100; moves++ {
		was := task.place.worker
		was.lane.Look()
		was.lane.Unbegun = time.Now().Add(-time.Hour)
		if !p.stealLocked() {
			break
		}
		require.NotSame(t, was, task.place.worker)
		p.sched.workers = slices.DeleteFunc(slices.Clone(p.sched.workers), func(w *worker) bool { return w == was })
		p.startBare(t, was.slot) // in its place
	}
	require.Equal(t, policy.MostHeadDeaths, moves)
}
