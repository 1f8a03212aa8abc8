package lane

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm/ring"
)

// both are the two sides of a lane within this process.
func both(t *testing.T) (*Lane, Worker) {
	l, err := New(LocalMemory(Bytes), true)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.End()) })
	w, err := NewWorker(l.Memory().Bytes, LocalMemory(ControlBytes).Bytes, l.Doorbell, ring.NewLocalDoorbell())
	require.NoError(t, err)
	return l, w
}

func id(n int) wire.TaskID { return wire.TaskID{Index: uint32(n), Epoch: 1} }

// push puts tasks of one byte, and returns their positions.
func push(t *testing.T, l *Lane, n int) (at []uint64) {
	for i := range n {
		position, ok := l.Push([]byte{byte(i)}, id(i), i%2 == 1)
		require.True(t, ok)
		at = append(at, position)
	}
	l.Publish()
	return at
}

func begin(t *testing.T, w Worker) (task byte, back bool) {
	record, back, ok := w.Down.Start(make([]byte, RecordBytes))
	require.True(t, ok)
	return record[0], back
}

func TestTasksGoDownAndResultsComeUp(t *testing.T) {
	l, w := both(t)
	require.Nil(t, l.Oldest())
	require.Zero(t, l.Position())
	push(t, l, 3)
	require.Equal(t, []int{3, 3, 1}, []int{l.Len(), l.Tasks(), int(l.MemoryTasks.Load())})
	_, running := l.Running()
	require.False(t, running)
	for i := range 3 {
		task, back := begin(t, w)
		require.Equal(t, []any{byte(i), false}, []any{task, back})
		got, running := l.Running()
		require.True(t, running)
		require.Equal(t, id(i), got)
		require.False(t, l.Ready())
		_, ok := w.Up.Put([]byte{10 + byte(i)})
		require.True(t, ok)
		w.Up.Publish()
		require.True(t, l.Ready())
		record, ok, err := l.Take(make([]byte, RecordBytes))
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, []byte{10 + byte(i)}, record)
		require.EqualValues(t, i+1, l.Position())
		l.Pop()
	}
	require.Equal(t, []int{0, 0, 0}, []int{l.Len(), l.Tasks(), int(l.MemoryTasks.Load())})
}

// What the worker has begun, or what is being decoded, is not taken back; anything else
// the worker skips, and answers for.
func TestRevoke(t *testing.T) {
	l, w := both(t)
	at := push(t, l, 4)
	begin(t, w)
	require.False(t, l.Revoke(at[0]))
	l.At(1).Decoding = true
	require.False(t, l.Revoke(at[1]))
	require.True(t, l.Revoke(at[2]))
	require.False(t, l.At(2).Live)
	require.True(t, l.At(2).Asked)
	require.Equal(t, []int{4, 3}, []int{l.Len(), l.Tasks()}, "it still owes an answer")
	var backs []bool
	for range 3 {
		_, back := begin(t, w)
		backs = append(backs, back)
	}
	require.Equal(t, []bool{false, true, false}, backs)
	for range 4 {
		l.Pop()
	}
	require.Equal(t, []int{0, 0, 0}, []int{l.Len(), l.Tasks(), int(l.MemoryTasks.Load())})
}

// Positions stay good however many tasks went through.
func TestPositionsGoOn(t *testing.T) {
	l, w := both(t)
	for range 3 * Window {
		at := push(t, l, 2)
		begin(t, w)
		require.True(t, l.Revoke(at[1]))
		_, back := begin(t, w)
		require.True(t, back)
		l.Pop()
		l.Pop()
	}
	require.LessOrEqual(t, cap(l.slots), 4*Window)
	n := 0
	for ; l.Fits(1); n++ {
		_, ok := l.Push([]byte{1}, id(n), false)
		require.True(t, ok)
	}
	require.Equal(t, Window, n)
	require.True(t, l.FitsMessage(1), "what is no task still fits")
	require.True(t, l.PushMessage([]byte{1}))
	require.Equal(t, Window, l.Len(), "and gets no answer")
}

// A worker that stores an older count of what it has given back makes its ring look full
// for ever: it gives back by quarters, and gets no more.
func TestRingThatLooksFull(t *testing.T) {
	l, w := both(t)
	for range Slots - 1 {
		push(t, l, 1)
		begin(t, w)
		l.Pop()
	}
	head := word32(l.Memory().Bytes, DownAt+4)
	last := head.Swap(0)
	require.False(t, l.Fits(100))
	require.ErrorIs(t, l.Err(), ring.ErrCorrupt)
	head.Store(last)
	require.NoError(t, l.Err())
	require.True(t, l.Fits(100))
}

func TestStuck(t *testing.T) {
	l, w := both(t)
	push(t, l, 1)
	require.False(t, l.Look())
	require.True(t, l.Look())
	require.False(t, l.Stuck(time.Hour))
	require.True(t, l.HasUnbegun())
	l.Unbegun = time.Now().Add(-2 * time.Hour)
	require.True(t, l.Stuck(time.Hour))
	begin(t, w)
	require.False(t, l.Stuck(time.Hour))
	require.False(t, l.HasUnbegun())
}

func TestBegun(t *testing.T) {
	l, w := both(t)
	require.False(t, w.Begun.Any())
	w.Begun.Store(id(7), time.Unix(0, 5), 6)
	start, cpu, ok := l.Begun().Load(id(7))
	require.Equal(t, []any{int64(5), time.Duration(6), true}, []any{start, cpu, ok})
	_, _, ok = l.Begun().Load(id(8))
	require.False(t, ok)
}

func TestCounters(t *testing.T) {
	control := LocalMemory(ControlBytes).Bytes
	for n := range uint32(MaxRanges) {
		next, stop := Counters(control, n)
		require.Zero(t, next.Load()+stop.Load(), "each range has words of its own")
		next.Store(n + 1)
		stop.Store(n + 1)
	}
	next, _ := Counters(control, MaxRanges)
	require.EqualValues(t, 1, next.Load(), "and then from the first again")
	number, what := SplitClaim(9<<32 | ClaimBlock + 4)
	require.Equal(t, []uint32{9, ClaimBlock + 4}, []uint32{number, what})
}
