package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"example.com/handoff/shm"
)

// A Task is what the function sees of the task it runs. It is valid until the
// function returns.
type Task struct {
	ctx     context.Context
	attempt int
	worker  int
	arena   *shm.Arena
}

// Context ends when the task is cancelled.
func (t *Task) Context() context.Context { return t.ctx }

// Attempt counts from 1: 2 means that a worker died under this task before.
func (t *Task) Attempt() int { return t.attempt }

// Worker is the worker's slot, 0 to Workers−1. The next incarnation of a dead
// worker has the same.
func (t *Task) Worker() int { return t.worker }

// Arena is where the function makes the arrays whose Views it returns: memory
// that the supervisor has mapped too, within Options.Results. What was made
// there and not returned is released when the function returns, and so are its
// slices dead. A Make in it fails with [shm.ErrFull] where Options.Results is
// used up by what callers have not released yet. It is the worker's for all its
// tasks: do not Close it.
func (t *Task) Arena() *shm.Arena { return t.arena }

// A server is the worker's side: one goroutine reads messages, one runs tasks.
type server struct {
	link  transport
	table *table
	host  host

	tasks    chan run      // one at a time; closed when there will be no more
	noMore   sync.Once     // closes tasks
	finished chan struct{} // closed when the last task has ended
	results  *resultArena

	mu      sync.Mutex
	segs    map[uint32]attached
	current taskID
	stop    context.CancelFunc // of current
	drained bool
}

// A host is what differs between a worker process and a worker goroutine.
type host struct {
	slot         int
	segmentBytes int64                             // of the results
	patient      bool                              // serve returns after the running task, not before
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

type run struct {
	entry   *entry
	id      taskID
	attempt int
	args    []byte
	ctx     context.Context
}

// serve says hello and runs tasks until it is drained (nil) or the supervisor
// is gone (io.EOF). Afterwards every context it gave out has ended.
func serve(link transport, table *table, me hello, host host) error {
	s := &server{link: link, table: table, host: host, tasks: make(chan run, 1), finished: make(chan struct{}), segs: map[uint32]attached{}, stop: func() {}}
	s.results = newResultArena(link, host.segmentBytes)
	if err := link.Send(me.append(nil), -1); err != nil {
		return err
	}
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
		s.mu.Lock()
		s.stop()
		if s.drained {
			err = nil
		}
		s.mu.Unlock()
		s.noMore.Do(func() { close(s.tasks) })
		close(s.results.gone)
		if host.patient {
			<-s.finished
			s.results.end()
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
	case kind == msgTask:
		fn, id, attempt, args, ok := readTask(msg)
		if !ok || int64(fn) >= int64(len(s.table.entries)) {
			return errRecord
		}
		ctx, stop := context.WithCancel(context.Background())
		s.mu.Lock()
		s.current, s.stop = id, stop
		s.mu.Unlock()
		select {
		case s.tasks <- run{s.table.entries[fn], id, attempt, append([]byte(nil), args...), ctx}:
		default:
			return fmt.Errorf("%w: a task while one is running", errRecord)
		}
	case kind == msgCancel && len(msg) == 16:
		s.mu.Lock()
		if readID(msg) == s.current {
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
		s.noMore.Do(func() { close(s.tasks) })
	default:
		return fmt.Errorf("%w: kind %d, %d bytes", errRecord, kind, len(msg))
	}
	return nil
}

// announced maps a segment. A failure is that of the tasks that need it.
func (s *server) announced(a announce, fd int) error {
	at := s.host.attach(a, fd)
	s.mu.Lock()
	s.segs[a.id] = at
	s.mu.Unlock()
	if a.use == useResult {
		return s.results.grown(a.id, at.seg, at.err)
	}
	return nil
}

// work runs tasks. A task that ends this goroutine is reported, and another
// goroutine goes on.
func (s *server) work() {
	debug.SetPanicOnFault(true) // of this goroutine: see fault
	drained := false
	defer func() {
		if !drained {
			go s.work()
		}
	}()
	for r := range s.tasks {
		s.runOne(r)
	}
	drained = true
	s.mu.Lock()
	s.drained = true
	s.mu.Unlock()
	s.link.Close() // ends serve's Receive
	close(s.finished)
}

func (s *server) runOne(r run) {
	var bound []argument
	var payload []byte
	status := byte(statusGoexit) // unless it returns or panics
	defer func() {
		if v := recover(); v != nil {
			text, known := fault(v, bound)
			switch {
			case known:
				status = statusFault
			case text != "" && !s.host.patient: // nobody knows what else it has stored to
				panic(v)
			default:
				status, text = statusPanic, fmt.Sprintf("%.1000v", v)
			}
			payload = fmt.Appendf(nil, "%s\x00%s", text, debug.Stack())
		} else if status == statusGoexit {
			payload = []byte("the function called runtime.Goexit")
		}
		if err := releaseAll(bound); err != nil && status == statusOK {
			status, payload = statusError, []byte(err.Error())
		}
		s.results.finish(status == statusOK)
		s.mu.Lock()
		s.stop()
		s.mu.Unlock()
		s.link.Send(appendResult(make([]byte, 0, maxMessage), status, r.id, payload), -1)
	}()
	t := &Task{ctx: r.ctx, attempt: r.attempt, worker: s.host.slot, arena: s.results.arena}
	bind := func(field string, b shm.Binder, w shm.WireRef) error {
		if err := s.bind(b, w); err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
		bound = append(bound, argument{b, field, b.Bytes()})
		return nil
	}
	wire := func(field string, b shm.Binder) (shm.WireRef, error) {
		w, err := s.results.wire(b, bound)
		if err != nil {
			err = fmt.Errorf("%s: %w", field, err)
		}
		return w, err
	}
	out, err := r.entry.run(t, r.args, bind, wire)
	if err != nil {
		status, payload = statusError, []byte(err.Error())
		if errors.Is(err, shm.ErrFull) {
			status = statusFull
		}
	} else {
		status, payload = statusOK, out
	}
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

// bind resolves a wire ref into a segment that was announced before.
func (s *server) bind(b shm.Binder, w shm.WireRef) error {
	if w.ID == 0 {
		return b.Bind(nil, w.Ref, nil)
	}
	s.mu.Lock()
	a, ok := s.segs[w.ID]
	s.mu.Unlock()
	if !ok {
		return fmt.Errorf("segment %d was not announced", w.ID)
	}
	if a.err != nil {
		return a.err
	}
	seg := a.views
	if b.Writable() {
		seg = a.seg
	}
	w.Ref.Segment = seg.Name()
	return b.Bind(seg, w.Ref, nil)
}

// serveLocal runs a worker as goroutines of this process.
func (p *Pool) serveLocal(link transport, me hello, slot int) error {
	err := serve(link, p.table, me, host{
		slot:         slot,
		segmentBytes: p.opts.Results.SegmentBytes,
		patient:      true, // its memory must not go before it
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
