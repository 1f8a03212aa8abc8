package pool

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/codec"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

type nestedOut struct {
	Names   []string
	ByName  map[string][]float64
	Numbers []int32
}

var nested = Func("test.nested", func(t *Task, n int) (out nestedOut, err error) {
	out.ByName = map[string][]float64{}
	for i := range n {
		name := text(i, 20)
		out.Names, out.Numbers = append(out.Names, name), append(out.Numbers, int32(i))
		out.ByName[name] = []float64{float64(i)}
	}
	return out, nil
})

// Whatever side block a worker names, the supervisor finds what is wrong with the ref, ends
// that worker and gives the task to another.
func TestHostileSideBlocks(t *testing.T) {
	for name, row := range map[string]struct {
		ref  func(w *shm.WireRef)
		want string
	}{
		"no segment":      {func(w *shm.WireRef) { w.ID = 0 }, "malformed"},
		"unknown segment": {func(w *shm.WireRef) { w.ID += 9 }, "is not one for its results"},
		"past the end":    {func(w *shm.WireRef) { w.Ref.Offset = 1 << 40 }, "end past the segment's"},
		"negative":        {func(w *shm.WireRef) { w.Ref.Offset = -64 }, "is negative"},
		"too large":       {func(w *shm.WireRef) { w.Ref.Shape = shapeOf(t, 1<<40) }, "end past the segment's"},
		"another dtype":   {func(w *shm.WireRef) { w.Ref.DType = shm.Int8 }, "dtype int8, expected uint8"},
	} {
		t.Run(name, func(t *testing.T) {
			p, free := busyPool(t, &Options{})
			u := newPuppet(t, p)
			f, err := nested.Submit(background(), p, 1000)
			require.NoError(t, err)
			id := u.task()
			a := u.grow(4096)
			w := shm.WireRef{ID: a.ID, Ref: shm.Ref{DType: shm.Uint8, Shape: shapeOf(t, 4096)}}
			row.ref(&w)
			u.put(w.Append(wire.AppendResult(nil, wire.StatusLarge, id)))
			require.ErrorContains(t, <-u.end, row.want)
			free()
			out, err := f.Wait(background()) // from the honest one
			require.NoError(t, err)
			require.Len(t, out.Names, 1000)
			idleArenas(t, p)
		})
	}
}

// A side block that is nonsense, or that its worker changes while it is decoded, gives a
// value or an error, and is freed.
func TestChangingSideBlocks(t *testing.T) {
	p, free := busyPool(t, &Options{})
	u := newPuppet(t, p)
	value, err := nested.Inline(background(), nil, 200)
	require.NoError(t, err)
	large, err := codec.Measure(nested.e.out, &value)
	require.NoError(t, err)
	n := int(large.Bytes())
	a := u.grow(int64(n))
	seg, err := shm.Attach(a.Name, a.Size, shm.ReadWrite)
	require.NoError(t, err)
	defer seg.Close()
	w := shm.WireRef{ID: a.ID, Ref: shm.Ref{DType: shm.Uint8, Shape: shapeOf(t, n)}}
	ref := w.Ref
	ref.Segment = seg.Name()
	mem, err := shm.BindArray[byte](seg, ref)
	require.NoError(t, err)
	defer mem.Release()
	good := make([]byte, n)
	require.NoError(t, large.Write(good, nil))

	end := func() {
		u.link.Close()
		require.NoError(t, <-u.end)
		free()
	}
	freed := 0
	wait := func() (nestedOut, error) {
		f, err := nested.Submit(background(), p, 1)
		require.NoError(t, err)
		record := u.take()
		if blocks, ok := wire.ReadFree(record); ok { // the block of the task before
			freed += len(blocks)
			record = u.take()
		}
		task, _, ok := wire.ReadTask(record)
		require.True(t, ok)
		u.put(w.Append(wire.AppendResult(nil, wire.StatusLarge, task.ID)))
		return f.Wait(background())
	}
	copy(mem.Data(), good)
	got, err := wait()
	require.NoError(t, err)
	require.Equal(t, value, got)
	for i := range 500 { // each byte of the lengths at the beginning, and some of what they are of
		copy(mem.Data(), good)
		mem.Data()[i%n] ^= 0xff
		wait()
	}
	require.Equal(t, 500, freed)
	if raceEnabled { // that detector sees both ends, and this is a race
		end()
		return
	}
	copy(mem.Data(), good)
	var stop atomic.Bool
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; !stop.Load(); i++ {
			at := i * 7919 % n
			mem.Data()[at] ^= byte(i)
			mem.Data()[at] = good[at]
		}
	}()
	for range 300 {
		wait()
	}
	stop.Store(true)
	<-stopped
	end()
	idleArenas(t, p)
}
