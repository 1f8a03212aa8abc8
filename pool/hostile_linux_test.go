package pool

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

type pairOut struct {
	A, B shm.OwnedView[float64]
	F    shm.OwnedView[bool]
}

var makePair = Func("test.makePair", func(t *Task, n int) (out pairOut, err error) {
	x, err := shm.Make[float64](t.Arena(), n)
	if err != nil {
		return out, err
	}
	x.Data()[n-1] = 3
	out.A, out.B = x.Own(), x.Own()
	return out, nil
})

// A puppet is the other end of a worker's link and lane, in the hands of the test.
type puppet struct {
	t    *testing.T
	link proc.Link
	lane lane.Worker
	w    *worker
	end  chan error // what the supervisor found wrong with it
}

// newPuppet adds a worker to p that is the one that gets the next task.
func newPuppet(t *testing.T, p *Pool) *puppet {
	l, err := p.openLane()
	require.NoError(t, err)
	var theirs proc.Link
	process, ours := proc.GoLocal(func(_ *proc.Local, link proc.Link) error {
		theirs = link
		return nil
	})
	<-process.Dead()
	u := &puppet{t: t, link: theirs, w: &worker{pool: p, slot: 7, incarnation: incarnation{proc: process}}, end: make(chan error, 1)}
	u.lane, err = lane.NewWorker(l.Memory().Bytes, p.ranges.control.Bytes, l.Doorbell, p.leader.doorbell)
	require.NoError(t, err)
	u.w.locked(func() { p.slots.width.Resize(p.slots.width.Now() + 1) })
	u.w.begin(ours, l)
	go func() {
		err := u.w.listen(ours, make([]byte, wire.MaxMessage))
		if err == nil {
			u.w.locked(func() { err = u.w.reason })
		}
		u.w.reap(process, err, true)
		u.end <- err
	}()
	return u
}

func (u *puppet) send(msg []byte) { require.NoError(u.t, u.link.Send(msg, -1)) }

func (u *puppet) receive(kind byte) []byte {
	u.t.Helper()
	buf := make([]byte, wire.MaxMessage)
	n, _, err := u.link.Receive(buf)
	require.NoError(u.t, err)
	require.Equal(u.t, kind, buf[0])
	return buf[:n]
}

// take is the next record of its lane.
func (u *puppet) take() []byte {
	u.t.Helper()
	require.True(u.t, u.lane.Doorbell.Wait(u.lane.Down.Ready, time.Minute))
	record, _, ok := u.lane.Down.Start(make([]byte, lane.RecordBytes))
	require.True(u.t, ok)
	return record
}

func (u *puppet) task() wire.TaskID {
	u.t.Helper()
	task, _, ok := wire.ReadTask(u.take())
	require.True(u.t, ok)
	return task.ID
}

// put puts any record into its lane.
func (u *puppet) put(record []byte) {
	u.t.Helper()
	_, ok := u.lane.Up.Put(record)
	require.True(u.t, ok)
	u.lane.Up.Publish()
	u.lane.Supervisor.Notify()
}

func (u *puppet) answer(id wire.TaskID, payload []byte) {
	u.t.Helper()
	u.put(append(wire.AppendResult(nil, wire.StatusOK, id), payload...))
}

// grow returns the segment that the supervisor makes for it.
func (u *puppet) grow(bytes int64) wire.Announce {
	u.t.Helper()
	u.send(wire.AppendGrow(nil, bytes))
	a, ok := wire.ReadAnnounce(u.receive(wire.MsgAnnounce))
	require.True(u.t, ok)
	require.Equal(u.t, wire.UseResult, a.Use)
	return a
}

// busyPool has one honest worker that has a task until it is released.
func busyPool(t *testing.T, opts *Options) (p *Pool, free func()) {
	opts.Workers, opts.Isolation = 1, Goroutine
	p = newPool(t, opts)
	blocker, err := untilCancelled.Submit(background(), p, struct{}{})
	require.NoError(t, err)
	eventually(t, func() bool { return p.Stats().Attempts == 1 }, "not started")
	return p, func() {
		blocker.Cancel()
		_, err := blocker.Wait(background())
		require.NoError(t, err)
	}
}

func shapeOf(t *testing.T, dims ...int) shm.Shape {
	s, err := shm.ShapeOf(dims...)
	require.NoError(t, err)
	return s
}

// Whatever refs a worker returns, the supervisor finds what is wrong with them,
// ends that worker and gives the task to another.
func TestHostileResults(t *testing.T) {
	for name, tt := range map[string]struct {
		ref  func(a wire.Announce, w *shm.WireRef)
		want string
	}{
		"unknown segment":   {func(a wire.Announce, w *shm.WireRef) { w.ID = a.ID + 1 }, "is not one for its results"},
		"an input segment":  {func(a wire.Announce, w *shm.WireRef) { w.ID = a.ID - 1 }, "is not one for its results"},
		"no segment":        {func(a wire.Announce, w *shm.WireRef) { w.ID = 0 }, "end past the segment's 0"},
		"past the end":      {func(a wire.Announce, w *shm.WireRef) { w.Ref.Offset = a.Size - 8 }, "end past the segment's"},
		"largest offset":    {func(a wire.Announce, w *shm.WireRef) { w.Ref.Offset = math.MaxInt64 &^ 7 }, "end past the segment's"},
		"negative offset":   {func(a wire.Announce, w *shm.WireRef) { w.Ref.Offset = -8 }, "is negative"},
		"misaligned":        {func(a wire.Announce, w *shm.WireRef) { w.Ref.Offset = 4 }, "is not a multiple of 8"},
		"too large":         {func(a wire.Announce, w *shm.WireRef) { w.Ref.Shape = shapeOf(t, 1<<40) }, "end past the segment's"},
		"another dtype":     {func(a wire.Announce, w *shm.WireRef) { w.Ref.DType = shm.Int64 }, "dtype int64, expected float64"},
		"no dtype":          {func(a wire.Announce, w *shm.WireRef) { w.Ref.DType = 99 }, "unknown dtype 99"},
		"empty, misaligned": {func(a wire.Announce, w *shm.WireRef) { w.Ref.Shape, w.Ref.Offset = shapeOf(t, 0), 3 }, "is not a multiple of 8"},
	} {
		t.Run(name, func(t *testing.T) {
			p, free := busyPool(t, &Options{})
			in, err := shm.PutCopy(p.Arena(), []float64{1})
			require.NoError(t, err)
			u := newPuppet(t, p)
			f, err := norm.Submit(background(), p, normIn{in.View(), 1}) // it gets to know an input segment
			require.NoError(t, err)
			u.receive(wire.MsgAnnounce)
			u.answer(u.task(), make([]byte, 8))
			_, err = f.Wait(background())
			require.NoError(t, err)
			in.Release()

			task, err := makePair.Submit(background(), p, 4)
			require.NoError(t, err)
			id := u.task()
			a := u.grow(4096)
			good := shm.WireRef{ID: a.ID, Ref: shm.Ref{DType: shm.Float64, Shape: shapeOf(t, 4)}}
			bad := good
			tt.ref(a, &bad)
			none := shm.WireRef{Ref: shm.Ref{DType: shm.Bool, Shape: shapeOf(t, 0)}}
			u.answer(id, none.Append(bad.Append(good.Append(nil))))
			err = <-u.end
			require.ErrorContains(t, err, "its result of test.makePair: pairOut.B: ")
			require.ErrorContains(t, err, tt.want)
			require.Zero(t, p.Stats().Memory.ResultBytesMapped, "the segments of a dead worker")

			free()
			out, err := task.Wait(background()) // from the honest one
			require.NoError(t, err)
			require.Equal(t, []float64{0, 0, 0, 3}, out.A.Data())
			out.A.Release()
			out.B.Release()
			require.Equal(t, int64(1), settled(t, p).Deaths[ExitProtocol])
		})
	}
}

// What a worker may say of its own memory, though no honest one would, is
// harmless: the same block twice, of any generation.
func TestStrangeResults(t *testing.T) {
	p, free := busyPool(t, &Options{})
	u := newPuppet(t, p)
	a := u.grow(4096)
	task, err := makePair.Submit(background(), p, 4)
	require.NoError(t, err)
	id := u.task()
	one := shm.WireRef{ID: a.ID, Ref: shm.Ref{DType: shm.Float64, Shape: shapeOf(t, 4), Generation: 77}}
	flag := shm.WireRef{ID: a.ID, Ref: shm.Ref{DType: shm.Bool, Shape: shapeOf(t, 1), Offset: 4095}}
	u.answer(id, flag.Append(one.Append(one.Append(nil))))
	out, err := task.Wait(background())
	require.NoError(t, err)
	out.A.Release()
	require.Equal(t, make([]float64, 4), out.B.Data())
	out.B.Release()
	out.F.Release()

	// A byte that is no bool is the task's own failure, and all is freed.
	task, err = makePair.Submit(background(), p, 4)
	require.NoError(t, err)
	blocks, ok := wire.ReadFree(u.take())
	require.True(t, ok)
	require.Equal(t, []wire.Allocation{{Segment: a.ID, Generation: 77}, {Segment: a.ID, Generation: 77}, {Segment: a.ID, Offset: 4095}}, blocks)
	id = u.task()
	mem, err := shm.BindArray[byte](p.segments.byID[a.ID].seg, shm.Ref{Segment: a.Name, DType: shm.Uint8, Shape: shapeOf(t, 4096)})
	require.NoError(t, err)
	mem.Data()[4095] = 2
	mem.Release()
	u.answer(id, flag.Append(one.Append(one.Append(nil))))
	_, err = task.Wait(background())
	var own *TaskError
	require.ErrorAs(t, err, &own)
	require.ErrorContains(t, err, "pairOut.F: ")
	require.ErrorContains(t, err, "expected 0 or 1")
	_, err = pid.Submit(background(), p, 0)
	require.NoError(t, err)
	blocks, ok = wire.ReadFree(u.take())
	require.True(t, ok)
	require.Len(t, blocks, 3)
	u.link.Close()
	require.NoError(t, <-u.end)
	free()
}

func TestHostileGrowth(t *testing.T) {
	for name, msg := range map[string][]byte{
		"zero": wire.AppendGrow(nil, 0), "negative": wire.AppendGrow(nil, -1), "least": wire.AppendGrow(nil, math.MinInt64), "short": {wire.MsgGrow}, "long": append(wire.AppendGrow(nil, 1), 0),
	} {
		t.Run(name, func(t *testing.T) {
			p, free := busyPool(t, &Options{})
			u := newPuppet(t, p)
			u.send(msg)
			require.ErrorContains(t, <-u.end, "malformed grow")
			free()
		})
	}
	t.Run("huge", func(t *testing.T) {
		p, free := busyPool(t, &Options{})
		u := newPuppet(t, p)
		for _, bytes := range []int64{1 << 62, math.MaxInt64} {
			u.send(wire.AppendGrow(nil, bytes))
			why, ok := wire.ReadRefuse(u.receive(wire.MsgRefuse))
			require.True(t, ok)
			require.NotErrorIs(t, why, shm.ErrFull)
		}
		u.link.Close()
		require.NoError(t, <-u.end)
		free()
	})
	t.Run("past the budget", func(t *testing.T) {
		p, free := busyPool(t, &Options{Arenas: Arenas{Results: &shm.ArenaOptions{MaxBytes: 10000}}})
		u := newPuppet(t, p)
		u.grow(8192)
		for _, bytes := range []int64{8192, math.MaxInt64} {
			u.send(wire.AppendGrow(nil, bytes))
			why, ok := wire.ReadRefuse(u.receive(wire.MsgRefuse))
			require.True(t, ok)
			require.ErrorIs(t, why, shm.ErrFull)
		}
		require.Equal(t, int64(8192), p.Stats().Memory.ResultBytesMapped)
		u.link.Close()
		require.NoError(t, <-u.end)
		free()
	})
	t.Run("storm", func(t *testing.T) {
		p, free := busyPool(t, &Options{Arenas: Arenas{Results: &shm.ArenaOptions{MaxBytes: 1 << 20}}})
		u := newPuppet(t, p)
		for len(u.end) == 0 { // it reads no answer
			u.link.Send(wire.AppendGrow(nil, 4096), -1)
		}
		require.ErrorIs(t, <-u.end, proc.ErrBacklog)
		require.Zero(t, p.Stats().Memory.ResultBytesMapped)
		free()
	})
}

// A sentLink counts what is sent.
type sentLink struct {
	proc.Link
	messages int
}

func (c *sentLink) Send(msg []byte, fd int) error {
	err := c.Link.Send(msg, fd)
	if err == nil {
		c.messages++
	}
	return err
}

// Free messages to a worker that asks for memory do not crowd out others on
// their way to one that does not read, and are sent when it does.
func TestFreesWait(t *testing.T) {
	ours, theirs := proc.LocalPair()
	sent := &sentLink{Link: ours}
	r := &resultSegments{link: sent}
	r.requestMemory()
	const n = 100_000
	for i := range n {
		r.free(shm.WireRef{ID: 1, Ref: shm.Ref{Generation: 1, Offset: int64(i)}})
	}
	require.Equal(t, maxUnread, sent.messages)
	buf := make([]byte, wire.MaxMessage)
	for want, received := 0, 0; want < n; {
		if received == sent.messages {
			r.requestMemory()
		}
		received++
		size, _, err := theirs.Receive(buf)
		require.NoError(t, err)
		blocks, ok := wire.ReadFree(buf[:size])
		require.True(t, ok)
		for _, b := range blocks {
			require.Equal(t, wire.Allocation{Segment: 1, Generation: 1, Offset: int64(want)}, b)
			want++
		}
	}
	r.requestMemory()
	// A full socket, and a closed one, keep or drop them without a wait.
	for ours.Send([]byte{wire.MsgDrain}, -1) == nil {
	}
	r.free(shm.WireRef{ID: 1, Ref: shm.Ref{Generation: 1, Offset: 1}})
	r.flush()
	require.Len(t, r.frees, 1)
	theirs.Close()
	r.flush()
	require.NoError(t, r.end())
	r.free(shm.WireRef{ID: 1, Ref: shm.Ref{Generation: 1, Offset: 1}})
	require.Empty(t, r.frees)
}

// Whatever result record a worker sends, taking it ends with Views inside its
// own segments or with an error, and nothing stays bound.
func FuzzTakeResult(f *testing.F) {
	run, err := shm.NewRun()
	require.NoError(f, err)
	f.Cleanup(func() { run.Close() })
	seg, err := run.Create(4096)
	require.NoError(f, err)
	r := &resultSegments{segs: map[uint32]*shm.Segment{3: seg}, ended: true}
	shape, err := shm.ShapeOf(2, 4)
	require.NoError(f, err)
	ref := shm.WireRef{ID: 3, Ref: shm.Ref{DType: shm.Float64, Shape: shape, Offset: 64, Generation: 1}}
	flag := shm.WireRef{ID: 3, Ref: shm.Ref{DType: shm.Bool, Shape: shape}}
	f.Add(flag.Append(ref.Append(ref.Append(nil))))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := r.bind(makePair.e, b)
		if err != nil || got.failed != nil {
			require.Empty(t, got.views)
			return
		}
		bytes := int64(0)
		for _, v := range got.views {
			bytes += int64(len(v.Bytes()))
			require.LessOrEqual(t, v.Ref().Offset+int64(len(v.Bytes())), int64(4096))
		}
		require.Equal(t, got.bytes, bytes)
		release(got.views)
	})
}
