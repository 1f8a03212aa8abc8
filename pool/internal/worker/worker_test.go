package worker

import (
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/rangejob"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm/ring"
)

// The functions of the worker of a test, by number.
const (
	echo = iota
	hold // until its context ends
	panics
	exits
	fails
	blocks
)

func testFuncs() []*Func {
	task := func(f func(c *Call, args, dst []byte) ([]byte, error)) *Func {
		return &Func{Runner: func(c *Call) func(args, dst []byte) ([]byte, error) {
			return func(args, dst []byte) ([]byte, error) { return f(c, args, dst) }
		}}
	}
	return []*Func{
		echo: task(func(c *Call, args, dst []byte) ([]byte, error) {
			return append(append(dst, byte(c.Attempt()), byte(c.Slot())), args...), nil
		}),
		hold: task(func(c *Call, _, dst []byte) ([]byte, error) {
			<-c.Context().Done()
			return dst, c.Context().Err()
		}),
		panics: task(func(*Call, []byte, []byte) ([]byte, error) { panic("no luck") }),
		exits:  task(func(*Call, []byte, []byte) ([]byte, error) { runtime.Goexit(); return nil, nil }),
		fails:  task(func(_ *Call, _, dst []byte) ([]byte, error) { return dst, errors.New("its own") }),
		blocks: {RangeRunner: func(c *Call) func([]byte) (Body, error) {
			return func([]byte) (Body, error) {
				return func(lo, hi int, dst []byte) ([]byte, error) { return append(dst, byte(lo), byte(hi)), nil }, nil
			}
		}},
	}
}

// A peer is the supervisor of one worker.
type peer struct {
	t         *testing.T
	link      proc.Link
	lane      *lane.Lane
	control   lane.Memory
	served    chan error // what Serve has returned
	teardowns atomic.Int32
	n         uint32 // tasks
}

// newPeer starts a worker and hears its hello.
func newPeer(t *testing.T) *peer {
	p := &peer{t: t, control: lane.LocalMemory(lane.ControlBytes), served: make(chan error, 1)}
	var err error
	p.lane, err = lane.New(lane.LocalMemory(lane.Bytes), true)
	require.NoError(t, err)
	mine, err := lane.NewWorker(p.lane.Memory().Bytes, p.control.Bytes, p.lane.Doorbell, ring.NewLocalDoorbell())
	require.NoError(t, err)
	ours, theirs := proc.LocalPair()
	p.link = ours
	me := wire.Hello{Version: wire.Version, Nonce: [16]byte{1, 2, 3}}
	go func() {
		p.served <- Serve(theirs, mine, testFuncs(), me, Host{
			Slot: 7, Sentinels: func(error) []string { return nil }, Teardown: func() { p.teardowns.Add(1) }, InProcess: func(release func()) { release() },
		})
	}()
	buf := make([]byte, wire.MaxMessage)
	n, _, err := ours.Receive(buf)
	require.NoError(t, err)
	got, err := wire.ReadHello(buf[:n])
	require.NoError(t, err)
	require.NoError(t, got.Check(me))
	t.Cleanup(func() { ours.Close() })
	return p
}

// give puts a task into the lane, which the worker sees at the next publish.
func (p *peer) give(fn uint16, args ...byte) (id wire.TaskID, position uint64) {
	p.n++
	id = wire.TaskID{Index: p.n, Epoch: 3}
	position, ok := p.lane.Push((&wire.Task{Func: fn, ID: id, Attempt: 2}).Append(nil, args), id, false)
	require.True(p.t, ok)
	return id, position
}

// next waits for a record.
func (p *peer) next() []byte {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Microsecond) {
		record, ok, err := p.lane.Take(make([]byte, lane.RecordBytes))
		require.NoError(p.t, err)
		if ok {
			return record
		}
	}
	require.Fail(p.t, "no answer")
	return nil
}

// answer waits for the result of a task.
func (p *peer) answer(id wire.TaskID) (wire.Status, []byte) {
	status, of, payload, ok := wire.ReadResult(p.next())
	require.True(p.t, ok)
	require.Equal(p.t, id, of)
	p.lane.Pop()
	return status, payload
}

func (p *peer) send(msg ...byte) { require.NoError(p.t, p.link.Send(msg, -1)) }

// end waits for what Serve returns.
func (p *peer) end() error {
	select {
	case err := <-p.served:
		return err
	case <-time.After(time.Minute):
		require.Fail(p.t, "Serve has not returned")
		return nil
	}
}

func TestLife(t *testing.T) {
	p := newPeer(t)
	for _, row := range []struct {
		fn     uint16
		status wire.Status
		text   string // of a failure
	}{
		{panics, wire.StatusPanic, "no luck"},
		{exits, wire.StatusGoexit, "the function called runtime.Goexit"},
		{fails, wire.StatusError, "its own"},
		{echo, wire.StatusOK, ""},
	} {
		id, _ := p.give(row.fn, 40, 41)
		p.lane.Publish()
		status, payload := p.answer(id)
		require.Equal(t, row.status, status)
		if status == wire.StatusOK {
			require.Equal(t, []byte{2, 7, 40, 41}, payload)
		} else {
			require.Equal(t, row.text, wire.ReadFailure(payload).Text)
		}
	}
	p.send(wire.MsgDrain)
	require.NoError(t, p.end())
	require.Equal(t, int32(1), p.teardowns.Load())
}

// A task that waits can be cancelled, and one behind another is revoked and never runs.
func TestCancelAndRevoke(t *testing.T) {
	p := newPeer(t)
	early, _ := p.give(hold)
	p.send(wire.AppendCancel(nil, early)...) // before it runs
	p.lane.Publish()
	status, _ := p.answer(early)
	require.Equal(t, wire.StatusError, status)

	running, _ := p.give(hold)
	revoked, position := p.give(panics)
	last, _ := p.give(echo)
	require.True(t, p.lane.Revoke(position))
	p.lane.Publish()
	p.send(wire.AppendCancel(nil, wire.TaskID{Index: running.Index, Epoch: running.Epoch + 1})...) // another's
	p.send(wire.AppendCancel(nil, running)...)
	status, payload := p.answer(running)
	require.Equal(t, wire.StatusError, status)
	require.Equal(t, "context canceled", wire.ReadFailure(payload).Text)
	status, payload = p.answer(revoked)
	require.Equal(t, wire.StatusRevoked, status)
	require.Empty(t, payload)
	status, _ = p.answer(last)
	require.Equal(t, wire.StatusOK, status)
}

// A share takes all blocks from the counter, and then claims nothing.
func TestRangeShare(t *testing.T) {
	p := newPeer(t)
	share := wire.RangeShare{Func: blocks, ID: wire.TaskID{Index: 9, Epoch: 1}, Attempt: 1, Job: 5, Workers: 2, Block: wire.AnyBlock, N: 100}
	_, ok := p.lane.Push(share.Append(nil, nil), share.ID, false)
	require.True(t, ok)
	p.lane.Publish()
	cut := rangejob.Cut(100, 0, 2)
	for i := range cut.Count {
		id, block, _, payload, ok := wire.ReadBlock(p.next())
		require.True(t, ok)
		require.Equal(t, share.ID, id)
		require.Equal(t, uint32(i), block)
		lo, hi := cut.At(i)
		require.Equal(t, []byte{byte(lo), byte(hi)}, payload)
	}
	status, _ := p.answer(share.ID)
	require.Equal(t, wire.StatusOK, status)
	require.Zero(t, p.lane.Claim())
	next, _ := lane.Counters(p.control.Bytes, share.Job)
	require.Equal(t, uint32(cut.Count+1), next.Load())
}

// What ends a worker early ends the context of the task that it runs.
func TestEnds(t *testing.T) {
	bad := func(record []byte) func(p *peer) {
		return func(p *peer) {
			require.True(p.t, p.lane.PushMessage(record))
			p.lane.Publish()
		}
	}
	for name, row := range map[string]struct {
		holds bool // a task runs
		do    func(p *peer)
		want  error
	}{
		"the supervisor is gone":       {true, func(p *peer) { p.link.Close() }, io.EOF},
		"a message of no kind":         {true, func(p *peer) { p.send(200) }, wire.ErrMalformed},
		"a message that is cut":        {true, func(p *peer) { p.send(wire.MsgCancel, 1) }, wire.ErrMalformed},
		"memory that nobody asked for": {true, func(p *peer) { p.send(wire.AppendRefuse(nil, io.EOF)...); p.send(wire.AppendRefuse(nil, io.EOF)...) }, wire.ErrMalformed},
		"a record of no kind":          {false, bad([]byte("nonsense")), wire.ErrMalformed},
		"an unknown function":          {false, bad((&wire.Task{Func: 99, ID: wire.TaskID{Index: 1}, Attempt: 1}).Append(nil, nil)), wire.ErrMalformed},
		"a range function as a task":   {false, bad((&wire.Task{Func: blocks, ID: wire.TaskID{Index: 1}, Attempt: 1}).Append(nil, nil)), wire.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPeer(t)
			if row.holds {
				p.give(hold)
				p.lane.Publish()
			}
			row.do(p)
			require.ErrorIs(t, p.end(), row.want)
			require.Zero(t, p.teardowns.Load())
		})
	}
}
