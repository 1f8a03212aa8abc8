package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A server is the worker's side: one goroutine runs tasks from the lane, one
// reads messages.
type server struct {
	link  proc.Link
	lane  lane.Worker
	funcs []Func
	host  Host

	finished chan struct{} // closed when the last task has ended
	results  *resultArena
	frees    atomic.Uint32 // messages read
	running  atomic.Uint64 // the number of the last task
	draining atomic.Bool   // there will be no more tasks
	short    bool          // of resources: it runs no more tasks. Of the goroutine that runs them
	ended    atomic.Bool   // nobody is there any more for whom to run any

	// Of the goroutine that runs tasks.
	runners []func(args, dst []byte) ([]byte, error) // by function
	sharers []func(args []byte) (Body, error)        // by function
	task    Call
	bound   []argument // of the running task
	in, out []byte     // records
	part    []byte     // the record of a block
	lo, hi  int        // of the running block
	ready   func() bool
	meter   *meter // nil: attempts are not measured

	mu        sync.Mutex
	segs      map[uint32]Mapping
	arrived   chan struct{}      // holds a token after an announcement
	cancelled wire.TaskID        // the last one
	stop      context.CancelFunc // of the running task's context
	gone      bool
	drained   bool
	broken    error // why there will be no more tasks, where it is not the end of the link
}

// Serve says hello and runs tasks until it is drained (nil) or the supervisor
// is gone (io.EOF). Afterwards every context it gave out has ended.
func Serve(link proc.Link, mine lane.Worker, funcs []Func, me wire.Hello, host Host) error {
	s := &server{
		link: link, lane: mine, funcs: funcs, host: host,
		finished: make(chan struct{}), arrived: make(chan struct{}, 1),
		runners: make([]func([]byte, []byte) ([]byte, error), len(funcs)),
		sharers: make([]func([]byte) (Body, error), len(funcs)),
		in:      make([]byte, lane.RecordBytes),
		segs:    map[uint32]Mapping{}, stop: func() {},
	}
	s.task.server = s
	if host.Clock != nil {
		s.meter = &meter{clock: *host.Clock}
	}
	s.ready = func() bool { return s.lane.Down.Ready() || s.draining.Load() || s.ended.Load() }
	s.results = newResultArena(link, host.SegmentBytes)
	step("started")
	if err := link.Send(me.Append(nil), -1); err != nil {
		return err
	}
	s.lane.Flight.Message(wire.FlightHello, 0)
	step("said-hello")
	go s.work()
	buf := make([]byte, wire.MaxMessage)
	for {
		n, fd, err := link.Receive(buf)
		if err == nil {
			err = s.hear(buf[:n], fd)
		}
		if err == nil {
			continue
		}
		s.ended.Store(true)
		s.lane.Doorbell.Wake()
		s.mu.Lock()
		s.gone = true
		s.stop()
		switch {
		case s.drained:
			err = nil
		case s.broken != nil:
			err = s.broken
		}
		s.mu.Unlock()
		close(s.results.gone)
		if host.DrainOnClose {
			<-s.finished
			host.AtRelease(s.results.end)
		}
		return err
	}
}

// hear acts on one message. An error ends the worker: its supervisor is not one.
func (s *server) hear(msg []byte, fd int) error {
	if msg[0] == wire.MsgAnnounce {
		a, ok := wire.ReadAnnounce(msg)
		if !ok {
			proc.CloseFD(fd)
			return wire.ErrMalformed
		}
		return s.announced(a, fd)
	}
	proc.CloseFD(fd) // no other message brings one
	ok := true
	switch msg[0] {
	case wire.MsgRefuse:
		var why error
		if why, ok = wire.ReadRefuse(msg); ok {
			return s.results.grown(0, nil, why)
		}
	case wire.MsgFree:
		var freed []wire.Allocation
		if freed, ok = wire.ReadFree(msg); ok {
			s.results.freed(freed)
			s.frees.Add(1)
		}
	case wire.MsgCancel:
		var id wire.TaskID
		if id, ok = wire.ReadCancel(msg); ok {
			s.cancel(id)
		}
	case wire.MsgRetire:
		var segment uint32
		if segment, ok = wire.ReadRetire(msg); ok {
			s.retire(segment)
		}
	case wire.MsgTrim:
		s.results.arena.Trim()
	case wire.MsgDrain:
		s.lane.Flight.Message(wire.FlightDrain, 0)
		step("drain-heard")
		s.draining.Store(true)
		s.lane.Doorbell.Wake()
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("%w: kind %d, %d bytes", wire.ErrMalformed, msg[0], len(msg))
	}
	return nil
}

// cancel ends the context of a task that runs, or will run.
func (s *server) cancel(id wire.TaskID) {
	s.lane.Flight.Message(wire.FlightCancel, 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancelled = id; s.running.Load() == id.Number() {
		s.stop()
	}
}

// retire unmaps a segment.
func (s *server) retire(segment uint32) {
	s.mu.Lock()
	a := s.segs[segment]
	delete(s.segs, segment)
	s.mu.Unlock()
	if a.Segment != nil {
		s.host.Detach(a)
	}
}

// A shortage is why a worker cannot map a segment that others can.
type shortage struct{ error }

func (s *shortage) Unwrap() error { return s.error }

// announced maps a segment. A failure is that of the tasks that need it, or, where it is
// for want of resources, the worker's.
func (s *server) announced(a wire.Announce, fd int) error {
	at := s.host.Attach(a, fd)
	if proc.IsShortage(at.Err) {
		at.Err = &shortage{at.Err}
	}
	s.lane.Flight.Message(wire.FlightSegment, a.ID)
	step("announced")
	s.mu.Lock()
	s.segs[a.ID] = at
	s.mu.Unlock()
	select {
	case s.arrived <- struct{}{}:
	default:
	}
	if a.Use == wire.UseResult {
		return s.results.grown(a.ID, at.Segment, at.Err)
	}
	return nil
}

// longestSleep bounds what a hostile writer can do to the worker's doorbell.
const longestSleep = time.Second

// work runs tasks. A task that ends this goroutine is reported, and another
// goroutine goes on.
func (s *server) work() {
	debug.SetPanicOnFault(true) // of this goroutine: see fault
	if s.meter != nil && s.host.DrainOnClose {
		runtime.LockOSThread() // whose clock it is
		defer runtime.UnlockOSThread()
	}
	over := false
	defer func() {
		if !over {
			go s.work()
		}
	}()
	for !s.ended.Load() {
		draining := s.draining.Load()
		record, revoked, ok := s.lane.Down.Start(s.in)
		switch {
		case ok:
			s.take(record, revoked)
		case s.lane.Down.Err() != nil:
			s.giveUp(s.lane.Down.Err())
		case draining:
			step("drained")
			if s.host.Teardown != nil {
				s.lane.Flight.Task(wire.FlightTeardown, 0, 0, 0, 0)
				s.host.Teardown()
			}
			s.ended.Store(true)
			s.mu.Lock()
			s.drained = true
			s.mu.Unlock()
		default:
			step("idle")
			s.lane.Doorbell.Wait(s.ready, longestSleep)
			if s.host.Spread {
				s.lane.Doorbell.MoveAway(s.lane.Supervisor)
			}
		}
	}
	over = true
	s.link.Close() // ends serve's Receive
	close(s.finished)
}

// take acts on a record of the lane.
func (s *server) take(record []byte, revoked bool) {
	if len(record) > 0 && record[0] == wire.MsgFree {
		if blocks, ok := wire.ReadFree(record); ok {
			s.results.freed(blocks)
			return
		}
	}
	if fn, id, attempt, args, ok := wire.ReadTask(record); ok && s.known(fn, false) {
		if revoked || s.short {
			s.skip(id)
		} else {
			s.run(fn, id, attempt, args)
		}
		return
	}
	if r, args, ok := wire.ReadRangeShare(record); ok && s.known(r.Func, true) {
		if revoked || s.short {
			s.skip(r.ID)
		} else {
			s.share(r, args)
		}
		return
	}
	s.giveUp(wire.ErrMalformed)
}

// giveUp ends the worker: what is in its lane is not the supervisor's, or no longer.
func (s *server) giveUp(why error) {
	s.mu.Lock()
	s.broken = fmt.Errorf("its lane was written over: %w", why)
	s.mu.Unlock()
	s.link.Close()
	s.ended.Store(true)
}

// known reports whether a function has that number and is, or is not, over a range.
func (s *server) known(fn uint16, ranged bool) bool {
	return int(fn) < len(s.funcs) && ranged == (s.funcs[fn].RangeRunner != nil)
}

// skip answers a task that was taken back.
func (s *server) skip(id wire.TaskID) {
	s.out = wire.AppendResult(s.out[:0], wire.StatusRevoked, id)
	if s.meter != nil {
		s.out = wire.Usage{}.Append(s.out)
	}
	s.answer()
}

// run runs a task and answers it.
func (s *server) run(fn uint16, id wire.TaskID, attempt int, args []byte) {
	s.lane.Flight.Task(wire.FlightTask, attempt, fn, id.Index, id.Epoch)
	step("task-begun")
	s.begin(id, attempt)
	defer s.finish(s.funcs[fn].Arrays)
	if s.runners[fn] == nil {
		s.runners[fn] = s.funcs[fn].Runner(&s.task)
	}
	step("task-run")
	out, err := s.runners[fn](args, s.out)
	if err == nil {
		s.out = out
	}
	s.outcome(err)
}

// begin makes a task the running one.
func (s *server) begin(id wire.TaskID, attempt int) {
	s.task.id, s.task.attempt, s.task.arena = id, attempt, false
	s.running.Store(id.Number())
	s.measure(id)
	s.out = wire.AppendResult(s.out[:0], wire.StatusGoexit, id) // unless it returns or panics
}

// measure begins an attempt, of the task or of a block.
func (s *server) measure(id wire.TaskID) {
	if s.meter != nil {
		s.meter.begin(id, s.lane.Begun)
	}
}

// measured ends an attempt, and the record that tells of it.
func (s *server) measured(record []byte) []byte {
	if s.meter != nil {
		record = s.meter.end().Append(record)
	}
	return record
}

// outcome is what the function has returned.
func (s *server) outcome(err error) {
	var lacks *shortage
	switch {
	case err == nil:
		wire.SetResultStatus(s.out, wire.StatusOK)
	case errors.As(err, &lacks):
		s.short = true
		s.fail(wire.StatusResources, err.Error(), "")
	case errors.Is(err, shm.ErrFull):
		s.fail(wire.StatusFull, err.Error(), "")
	default:
		s.fail(wire.StatusError, err.Error(), "")
	}
}

// fail makes the answer a failure.
func (s *server) fail(status wire.Status, text, stack string) {
	if s.hi > 0 { // a block that has not returned
		text = fmt.Sprintf("[%d, %d): %s", s.lo, s.hi, text)
		s.lo, s.hi = 0, 0
	}
	s.out = wire.AppendFailure(s.out[:wire.ResultBytes], text, stack)
	wire.SetResultStatus(s.out, status)
}

// finish ends what the task had and answers it, however its function has ended.
func (s *server) finish(arrays bool) {
	if v := recover(); v != nil {
		text, known := fault(v, s.bound)
		status := wire.StatusPanic
		switch {
		case known:
			status = wire.StatusFault
		case text != "" && !s.host.DrainOnClose: // nobody knows what else it has stored to
			panic(v)
		default:
			text = fmt.Sprintf("%.1000v", v)
		}
		s.fail(status, text, string(debug.Stack()))
	} else if wire.ResultStatus(s.out) == wire.StatusGoexit {
		s.fail(wire.StatusGoexit, "the function called runtime.Goexit", "")
	}
	for _, b := range s.bound {
		shm.Unbind(b.Binder)
	}
	clear(s.bound)
	s.bound = s.bound[:0]
	if arrays || s.task.arena {
		s.results.finish(wire.ResultStatus(s.out) == wire.StatusOK)
	}
	if s.task.hasCtx.Load() {
		s.task.hasCtx.Store(false)
		s.mu.Lock()
		s.stop()
		s.task.ctx, s.stop = nil, func() {}
		s.mu.Unlock()
	}
	step("task-ran")
	s.out = s.measured(s.out)
	s.answer()
}

func (s *server) answer() {
	wire.SetFreesRead(s.out, uint16(s.frees.Load()))
	s.put(s.out)
	s.lane.Supervisor.Notify()
	step("result-rung")
}

// roomTick is how often a worker looks for room for a result.
const roomTick = time.Millisecond

// put puts a record into the lane, without a ring. Where the supervisor has not taken enough of
// those before, it waits.
func (s *server) put(record []byte) {
	for {
		if _, ok := s.lane.Up.Put(record); ok {
			break
		}
		if s.ended.Load() {
			return
		}
		if err := s.lane.Up.Err(); err != nil {
			s.giveUp(err)
			return
		}
		s.lane.Supervisor.Notify()
		s.lane.Doorbell.Wait(func() bool { return s.lane.Up.Fits(len(record)) || s.ended.Load() }, roomTick)
	}
	step("result-put")
	s.lane.Up.Publish()
	step("result-published")
}
