package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"example.com/handoff/shm"
)

// A Task is what the function sees of the task it runs. It is valid until the
// function returns.
type Task struct {
	server  *server
	id      taskID
	attempt int
	arena   bool // it was asked for

	hasCtx atomic.Bool
	ctx    context.Context // guarded by server.mu; nil until it is asked for
}

// Context ends when the task is cancelled, or the range that it is of has ended
// early, and when Close has waited for Options.CloseTimeout.
func (t *Task) Context() context.Context {
	s := t.server
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.ctx == nil {
		t.ctx, s.stop = context.WithCancel(context.Background())
		t.hasCtx.Store(true)
		if s.gone || s.cancelled == t.id {
			s.stop()
		}
	}
	return t.ctx
}

// Attempt counts from 1: 2 means that a worker died under this task before.
func (t *Task) Attempt() int { return t.attempt }

// Worker is the worker's slot, 0 to Workers−1. The next incarnation of a dead
// worker has the same.
func (t *Task) Worker() int { return t.server.host.slot }

// Arena is where the function makes the arrays whose Views it returns: memory
// that the supervisor has mapped too, within Options.Results. What was made
// there and not returned is released when the function returns, and so are its
// slices dead. A Make in it fails with [shm.ErrFull] where Options.Results is
// used up by what callers have not released yet; [shm.MakeWait] waits for them. It is the worker's for all its
// tasks: do not Close it.
func (t *Task) Arena() *shm.Arena {
	t.arena = true
	return t.server.results.arena
}

// A server is the worker's side: one goroutine runs tasks from the lane, one
// reads messages.
type server struct {
	link  transport
	lane  workerLane
	table *table
	host  host

	finished chan struct{} // closed when the last task has ended
	results  *resultArena
	frees    atomic.Uint32 // messages read
	running  atomic.Uint64 // the number of the last task
	draining atomic.Bool   // there will be no more tasks
	ended    atomic.Bool   // nobody is there any more for whom to run any

	// Of the goroutine that runs tasks.
	runners []func(t *Task, args, dst []byte) ([]byte, error) // by function
	sharers []func(t *Task, args []byte) (body, error)        // by function
	bind    binding
	wire    wiring
	task    Task
	bound   []argument // of the running task
	in, out []byte     // records
	part    []byte     // the record of a block
	lo, hi  int        // of the running block
	ready   func() bool

	mu        sync.Mutex
	segs      map[uint32]attached
	arrived   chan struct{}      // holds a token after an announcement
	cancelled taskID             // the last one
	stop      context.CancelFunc // of the running task's context
	gone      bool
	drained   bool
}

// A host is what differs between a worker process and a worker goroutine.
type host struct {
	slot         int
	segmentBytes int64                             // of the results
	spread       bool                              // there is a core for each process
	patient      bool                              // serve returns after the running task, not before
	leave        func(end func())                  // of a patient one: gets what ends its results
	attach       func(a announce, fd int) attached // fd is its own, or −1
	detach       func(attached)
}

// An attached segment is mapped as its use says, and for Views read-only.
type attached struct {
	seg, views *shm.Segment
	err        error
}

// An argument is a View or Array of the running task.
type argument struct {
	shm.Binder
	field string
	mem   []byte
}

// serve says hello and runs tasks until it is drained (nil) or the supervisor
// is gone (io.EOF). Afterwards every context it gave out has ended.
func serve(link transport, lane workerLane, table *table, me hello, host host) error {
	s := &server{
		link: link, lane: lane, table: table, host: host,
		finished: make(chan struct{}), arrived: make(chan struct{}, 1),
		runners: make([]func(*Task, []byte, []byte) ([]byte, error), len(table.entries)),
		sharers: make([]func(*Task, []byte) (body, error), len(table.entries)),
		in:      make([]byte, laneRecord),
		segs:    map[uint32]attached{}, stop: func() {},
	}
	s.task.server = s
	s.bind, s.wire = s.bindArgument, s.wireResult
	s.ready = func() bool { return s.lane.down.Ready() || s.draining.Load() || s.ended.Load() }
	s.results = newResultArena(link, host.segmentBytes)
	step("started")
	if err := link.Send(me.append(nil), -1); err != nil {
		return err
	}
	step("said-hello")
	go s.work()
	buf := make([]byte, maxMessage)
	for {
		n, fd, err := link.Receive(buf)
		if err == nil {
			err = s.hear(buf[:n], fd)
		}
		if err == nil {
			continue
		}
		s.ended.Store(true)
		s.lane.bell.Wake()
		s.mu.Lock()
		s.gone = true
		s.stop()
		if s.drained {
			err = nil
		}
		s.mu.Unlock()
		close(s.results.gone)
		if host.patient {
			<-s.finished
			host.leave(s.results.end)
		}
		return err
	}
}

// hear acts on one message. An error ends the worker: its supervisor is not one.
func (s *server) hear(msg []byte, fd int) error {
	if msg[0] == msgAnnounce {
		a, ok := readAnnounce(msg)
		if !ok {
			closeFD(fd)
			return errRecord
		}
		return s.announced(a, fd)
	}
	closeFD(fd) // no other message brings one
	switch kind := msg[0]; {
	case kind == msgRefuse:
		why, ok := readRefuse(msg)
		if !ok {
			return errRecord
		}
		return s.results.grown(0, nil, why)
	case kind == msgFree:
		blocks, ok := readFree(msg)
		if !ok {
			return errRecord
		}
		s.results.freed(blocks)
		s.frees.Add(1)
	case kind == msgCancel && len(msg) == 16:
		s.mu.Lock()
		if s.cancelled = readCancel(msg); s.running.Load() == s.cancelled.number() {
			s.stop()
		}
		s.mu.Unlock()
	case kind == msgRetire && len(msg) == 8:
		s.mu.Lock()
		a := s.segs[readRetire(msg)]
		delete(s.segs, readRetire(msg))
		s.mu.Unlock()
		if a.seg != nil {
			s.host.detach(a)
		}
	case kind == msgTrim:
		s.results.arena.Trim()
	case kind == msgDrain:
		step("drain-heard")
		s.draining.Store(true)
		s.lane.bell.Wake()
	default:
		return fmt.Errorf("%w: kind %d, %d bytes", errRecord, kind, len(msg))
	}
	return nil
}

// announced maps a segment. A failure is that of the tasks that need it.
func (s *server) announced(a announce, fd int) error {
	at := s.host.attach(a, fd)
	step("announced")
	s.mu.Lock()
	s.segs[a.id] = at
	s.mu.Unlock()
	select {
	case s.arrived <- struct{}{}:
	default:
	}
	if a.use == useResult {
		return s.results.grown(a.id, at.seg, at.err)
	}
	return nil
}

// work runs tasks. A task that ends this goroutine is reported, and another
// goroutine goes on.
func (s *server) work() {
	debug.SetPanicOnFault(true) // of this goroutine: see fault
	over := false
	defer func() {
		if !over {
			go s.work()
		}
	}()
	for !s.ended.Load() {
		draining := s.draining.Load()
		record, back, ok := s.lane.down.Begin(s.in)
		switch {
		case ok:
			s.take(record, back)
		case s.lane.down.Err() != nil:
			s.link.Close() // the supervisor is none
			s.ended.Store(true)
		case draining:
			step("drained")
			s.ended.Store(true)
			s.mu.Lock()
			s.drained = true
			s.mu.Unlock()
		default:
			step("idle")
			s.lane.bell.Wait(s.ready, longestSleep)
			if s.host.spread {
				s.lane.bell.MoveAway(s.lane.supervisor)
			}
		}
	}
	over = true
	s.link.Close() // ends serve's Receive
	close(s.finished)
}

// take acts on a record of the lane.
func (s *server) take(record []byte, back bool) {
	if len(record) > 0 && record[0] == msgFree {
		blocks, ok := readFree(record)
		if ok {
			s.results.freed(blocks)
			return
		}
	}
	fn, id, attempt, args, ok := readTask(record)
	r, shared, isShare := readShare(record)
	if isShare {
		fn, id = r.fn, r.id
	}
	switch {
	case !ok && !isShare || int(fn) >= len(s.table.entries) || isShare != (s.table.entries[fn].sharer != nil):
		s.link.Close() // the supervisor is none
		s.ended.Store(true)
	case back:
		s.out = appendResult(s.out[:0], statusBack, id)
		s.answer()
	case isShare:
		s.share(r, shared)
	default:
		s.run(fn, id, attempt, args)
	}
}

// run runs a task and answers it.
func (s *server) run(fn uint16, id taskID, attempt int, args []byte) {
	step("task-begun")
	t := &s.task
	t.attempt, t.arena = attempt, false
	t.id = id
	s.running.Store(id.number())
	s.out = appendResult(s.out[:0], statusGoexit, id) // unless it returns or panics
	defer s.finish(s.table.entries[fn].out.arrays)
	if s.runners[fn] == nil {
		s.runners[fn] = s.table.entries[fn].runner(s.bind, s.wire)
	}
	step("task-run")
	out, err := s.runners[fn](t, args, s.out)
	switch {
	case err == nil:
		s.out = out
		s.out[1] = statusOK
	case errors.Is(err, shm.ErrFull):
		s.fail(statusFull, err.Error())
	default:
		s.fail(statusError, err.Error())
	}
}

// fail makes the answer a failure.
func (s *server) fail(status byte, text string) {
	if s.hi > 0 { // a block that has not returned
		text = fmt.Sprintf("[%d, %d): %s", s.lo, s.hi, text)
		s.lo, s.hi = 0, 0
	}
	s.out = append(s.out[:resultBytes], text[:min(len(text), maxInline)]...)
	s.out[1] = status
}

// finish ends what the task had and answers it, however its function has ended.
func (s *server) finish(arrays bool) {
	if v := recover(); v != nil {
		text, known := fault(v, s.bound)
		status := byte(statusPanic)
		switch {
		case known:
			status = statusFault
		case text != "" && !s.host.patient: // nobody knows what else it has stored to
			panic(v)
		default:
			text = fmt.Sprintf("%.1000v", v)
		}
		s.fail(status, fmt.Sprintf("%s\x00%s", text, debug.Stack()))
	} else if s.out[1] == statusGoexit {
		s.fail(statusGoexit, "the function called runtime.Goexit")
	}
	if len(s.bound) > 0 {
		err := releaseAll(s.bound)
		clear(s.bound)
		s.bound = s.bound[:0]
		if err != nil && s.out[1] == statusOK {
			s.fail(statusError, err.Error())
		}
	}
	if arrays || s.task.arena {
		s.results.finish(s.out[1] == statusOK)
	}
	if s.task.hasCtx.Load() {
		s.task.hasCtx.Store(false)
		s.mu.Lock()
		s.stop()
		s.task.ctx, s.stop = nil, func() {}
		s.mu.Unlock()
	}
	step("task-ran")
	s.answer()
}

func (s *server) answer() {
	setFrees(s.out, uint16(s.frees.Load()))
	s.put(s.out)
	s.lane.supervisor.Ring()
	step("result-rung")
}

// roomTick is how often a worker looks for room for a result.
const roomTick = time.Millisecond

// put puts a record into the lane, without a ring. Where the supervisor has not taken enough of
// those before, it waits.
func (s *server) put(record []byte) {
	for {
		if _, ok := s.lane.up.Put(record); ok {
			break
		}
		if s.ended.Load() {
			return
		}
		if s.lane.up.Err() != nil { // the supervisor is none
			s.link.Close()
			s.ended.Store(true)
			return
		}
		s.lane.supervisor.Ring()
		s.lane.bell.Wait(func() bool { return s.lane.up.Fits(len(record)) || s.ended.Load() }, roomTick)
	}
	step("result-put")
	s.lane.up.Publish()
	step("result-published")
}

func (s *server) bindArgument(field string, b shm.Binder, w shm.WireRef) error {
	if err := s.bindTo(b, w); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	s.bound = append(s.bound, argument{b, field, b.Bytes()})
	step("task-bound")
	return nil
}

func (s *server) wireResult(field string, b shm.Binder) (shm.WireRef, error) {
	w, err := s.results.wire(b, s.bound)
	if err != nil {
		err = fmt.Errorf("%s: %w", field, err)
	}
	return w, err
}

// releaseAll ends the views of a task. A function that released one itself has
// made a mistake of its own.
func releaseAll(bound []argument) (err error) {
	for _, b := range bound {
		func() {
			defer func() {
				if v := recover(); v != nil {
					err = fmt.Errorf("arguments are not the function's to release: %v", v)
				}
			}()
			b.Release()
		}()
	}
	return err
}

// announceTime bounds the wait for the announcement of a segment: it is sent
// before the task, over the socket.
const announceTime = 10 * time.Second

// segment is the announced segment of a number.
func (s *server) segment(id uint32) (attached, error) {
	var late <-chan time.Time
	for {
		s.mu.Lock()
		a, ok := s.segs[id]
		s.mu.Unlock()
		if ok {
			return a, a.err
		}
		if late == nil {
			timer := time.NewTimer(announceTime)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-s.arrived:
		case <-late:
			return a, fmt.Errorf("segment %d was not announced", id)
		case <-s.results.gone:
			return a, io.EOF
		}
	}
}

// bindTo resolves a wire ref.
func (s *server) bindTo(b shm.Binder, w shm.WireRef) error {
	if w.ID == 0 {
		return b.Bind(nil, w.Ref, nil)
	}
	a, err := s.segment(w.ID)
	if err != nil {
		return err
	}
	seg := a.views
	if b.Writable() {
		seg = a.seg
	}
	w.Ref.Segment = seg.Name()
	return b.Bind(seg, w.Ref, nil)
}

// serveLocal runs a worker as goroutines of this process.
func (p *Pool) serveLocal(local *localProcess, link transport, l *lane, me hello, slot int) error {
	lane, err := newWorkerLane(l.mem.bytes, p.control.bytes, l.bell, p.bell)
	if err != nil {
		return err
	}
	err = serve(link, lane, p.table, me, host{
		slot:         slot,
		segmentBytes: p.opts.Results.SegmentBytes,
		patient:      true, // its memory must not go before it
		leave:        func(end func()) { local.end = end },
		attach: func(a announce, fd int) attached {
			closeFD(fd)
			p.mu.Lock()
			defer p.mu.Unlock()
			if known := p.segByID[a.id]; known != nil {
				return attached{seg: known.seg, views: known.seg}
			}
			return attached{err: fmt.Errorf("segment %q: %w", a.name, shm.ErrClosed)}
		},
		detach: func(attached) {},
	})
	if err == io.EOF {
		return nil
	}
	return err
}
