package pool

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

type leaveIn struct {
	Ran shm.Array[uint32] // runs of each task; the first element is set when the first may die
	N   int               // 0: dies the first time
}

// leaveMark counts its runs.
var leaveMark = Func("test.leaveMark", func(t *Task, in leaveIn) (int, error) {
	ran := in.Ran.Data()
	if in.N > 0 {
		atomic.AddUint32(&ran[in.N], 1)
		return 0, nil
	}
	for atomic.LoadUint32(&ran[0]) == 0 {
		time.Sleep(time.Millisecond)
	}
	if t.Attempt() == 1 {
		unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
	return 0, nil
})

// A discarded task is run like any other: where it waits in the lane of a worker
// that dies, and where its own worker does.
func TestDiscardedTasksOutliveTheirWorker(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Replacement: Replacement{KeepWidth: true}})
	const n = 100
	ran, err := shm.Make[uint32](p.Outputs(), n)
	require.NoError(t, err)
	defer ran.Release()
	for i := range n {
		f, err := leaveMark.Submit(background(), p, leaveIn{ran, i})
		require.NoError(t, err)
		f.Discard()
	}
	eventually(t, func() bool { return p.Stats().Attempts == 1 }, "the first has not begun")
	atomic.StoreUint32(&ran.Data()[0], 1)
	eventually(t, func() bool { return p.Stats().Unresolved == 0 }, "not all are resolved")
	for i, runs := range ran.Data() {
		require.Equal(t, uint32(1), runs, "task %d", i)
	}
	s := settled(t, p)
	require.Equal(t, map[ExitClass]int64{ExitSignal: 1}, s.Deaths)
	require.Equal(t, []int64{n, 0, 0, n + 1, 1}, []int64{s.Done, s.Failed, s.Cancelled, s.Attempts, s.Retries})
}

// The same where a worker says that it has found the task taken back, though the
// pool was not sure of it.
func TestDiscardedTaskThatWasTakenBack(t *testing.T) {
	p, free := busyPool(t, &Options{})
	u := newPuppet(t, p)
	f, err := addOne.Submit(background(), p, 1)
	require.NoError(t, err)
	id := u.task()
	u.w.locked(func() { u.w.lane.Oldest().Asked = true })
	f.Discard()
	u.put(wire.AppendResult(nil, wire.StatusRevoked, id))
	free()
	eventually(t, func() bool { return p.Stats().Done == 2 || u.lane.Down.Ready() }, "it is not run again")
	if p.Stats().Done < 2 { // by the one that had nothing to do
		u.answer(u.task(), make([]byte, 8))
		eventually(t, func() bool { return p.Stats().Done == 2 }, "its result is not taken")
	}
	require.Zero(t, p.Stats().Cancelled)
	u.link.Close()
	require.NoError(t, <-u.end)
}
