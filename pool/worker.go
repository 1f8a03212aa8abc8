package pool

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"example.com/handoff/pool/internal/fate"
	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/life"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A worker is the supervisor's side of one worker slot: a goroutine (own) that
// starts one incarnation after the other and reads what it says. All fields but pool and
// slot are guarded by Pool.mu.
type worker struct {
	pool *Pool
	slot int
	incarnation
	lost    *Attempt       // that the last incarnation has died under, until it is told of
	retries []Event        // of tasks that are tried again, until its death was told of
	undead  []proc.Process // incarnations that were killed and have not died in time
}

// An incarnation is one process, from its start to after its death. proc is nil while
// there is none, link while there is none that said hello. lane changes only while the
// worker is not in Pool.sched.workers.
type incarnation struct {
	number  int // of all that the pool has started, from 1
	proc    proc.Process
	link    proc.Link
	lane    *lane.Lane
	knows   map[uint32]bool // announced segments
	results *resultSegments
	done    int64      // tasks finished
	reason  error      // why the pool ended it
	killed  fate.Class // what for, where it was not the protocol
	retired string     // why it is to end after its task
	standby bool       // it is a spare

	// What was seen of it, and of its process.
	watch      life.Watch
	memory     seenMemory
	born, died time.Time
	spent      time.Duration // CPU time of its process, once it is dead
	reaped     bool          // spent is known
}

// seenMemory is in bytes.
type seenMemory struct{ private, peakPrivate, peakShared int64 }

// own starts incarnations until the pool ends.
func (w *worker) own() {
	for quick := 0; w.rest(quick) && w.admit(); {
		if w.live() {
			quick = 0
		} else {
			quick++
		}
		w.pool.mu.Lock()
		w.pool.slots.alive--
		w.pool.adjustLocked()
		w.pool.unlock()
	}
}

// rest waits before a start that comes after that many short lives. It reports whether
// to go on.
func (w *worker) rest(short int) bool {
	var wait time.Duration
	w.locked(func() { wait = w.pool.slots.restarts.Wait(short, time.Now()) })
	select {
	case <-w.pool.ending.ended:
		return false
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-w.pool.ending.ended:
		return false
	}
}

// live is one incarnation from its start to after its death; it reports whether
// that finished a task, or ended because it was asked to.
func (w *worker) live() bool {
	p := w.pool
	w.locked(func() {
		p.slots.incarnation++
		w.incarnation = incarnation{number: p.slots.incarnation}
	})
	proc, link, l, want, err := p.launcher(p, w.slot)
	if err != nil {
		w.reap(nil, fmt.Errorf("it could not be started: %w", err), false)
		return false
	}
	defer proc.Release()
	defer link.Close()
	defer l.End()
	buf := make([]byte, wire.MaxMessage)
	w.locked(func() {
		w.proc = proc
		if p.ending.cause != nil { // the pool was closed meanwhile
			proc.Kill()
		}
	})

	err = w.greet(proc, link, want, buf)
	greeted := err == nil
	if greeted {
		w.begin(link, l)
		err = w.listen(link, buf)
		w.locked(func() {
			if w.reason == nil && err != nil {
				w.reason = err
			}
			if err = w.reason; err == errGone {
				err = nil
			}
		})
	}
	if err != nil {
		proc.Kill()
	}
	select { // the end of the socket is not yet death
	case <-proc.Dead():
	case <-time.After(w.endTime()):
		if err == nil {
			err = fmt.Errorf("it closed its socket and lived on")
		}
		proc.Kill()
		<-proc.Dead()
	}
	return w.reap(proc, err, greeted)
}

// endTime is how long a worker may take to end after its socket has: one that was
// asked to may have something to do, as the race detector's run-time has.
func (w *worker) endTime() (d time.Duration) {
	d = time.Second
	w.locked(func() {
		if w.retired != "" || w.pool.ending.cause != nil {
			d = max(d, w.pool.opts.Timeouts.Close)
		}
	})
	return d
}

// locked calls f with Pool.mu.
func (w *worker) locked(f func()) {
	w.pool.mu.Lock()
	defer w.pool.mu.Unlock()
	f()
}

// greet waits for hello and holds it against what it must say.
func (w *worker) greet(process proc.Process, link proc.Link, want wire.Hello, buf []byte) error {
	timeout := w.pool.opts.Timeouts.Start
	late := make(chan struct{})
	timer := time.AfterFunc(timeout, func() { close(late); process.Kill() })
	n, fd, err := link.Receive(buf)
	timer.Stop()
	proc.CloseFD(fd)
	if err != nil {
		select {
		case <-late:
			return fmt.Errorf("it said nothing within its start timeout of %v and was killed: an Init that hangs, or a main that does not call pool.Main() first?", timeout)
		default:
		}
		if err == io.EOF {
			return fmt.Errorf("it ended before it said hello: does main (in a test, TestMain) call pool.Main() first?")
		}
		return err
	}
	h, err := wire.ReadHello(buf[:n])
	if err != nil {
		return err
	}
	return h.Check(want)
}

// begin makes the incarnation known: it can be given tasks.
func (w *worker) begin(link proc.Link, l *lane.Lane) {
	p, proc := w.pool, w.proc
	p.mu.Lock()
	defer p.unlock()
	w.link, w.lane, w.knows, w.done, w.born = link, l, map[uint32]bool{}, 0, time.Now()
	w.results = &resultSegments{link: link, segs: map[uint32]*shm.Segment{}, memoryTasks: &l.MemoryTasks, spines: &p.large.spines}
	p.slots.restarts.Started()
	p.hooks.log(slog.LevelDebug, "worker ready", "worker", w.slot, "pid", proc.PID())
	p.hooks.event(Event{Kind: EventReady, Worker: w.slot, PID: proc.PID(), Incarnation: w.number})
	if p.openLocked() < p.slots.width.Now() || p.ending.cause != nil {
		p.addLaneLocked(w)
	} else {
		w.standby = true
		for _, a := range p.segments.arguments() {
			w.preannounceLocked(a)
		}
		p.adjustLocked() // it may not be wanted any more
	}
	if p.ending.cause != nil {
		link.Send([]byte{wire.MsgDrain}, -1)
		return
	}
	select {
	case <-p.slots.firstReady:
	default:
		close(p.slots.firstReady)
	}
	p.dispatchLocked()
}

// listen takes the incarnation's messages until it has no more. The error is
// what it did wrong, nil for an end of the socket.
func (w *worker) listen(link proc.Link, buf []byte) error {
	for {
		n, fd, err := link.Receive(buf)
		proc.CloseFD(fd)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		switch msg := buf[:n]; msg[0] {
		case wire.MsgGrow:
			err = w.grow(msg)
		case wire.MsgShrink:
			err = w.shrink(msg)
		default:
			err = fmt.Errorf("it sent a message of kind %d, expected a grow or a shrink", msg[0])
		}
		if err != nil {
			return err
		}
	}
}

// failLocked ends an incarnation that did something wrong.
func (w *worker) failLocked(err error) {
	if w.reason == nil {
		w.reason = err
		w.proc.Kill()
	}
}

// unsentLocked ends an incarnation that a message did not get to.
func (w *worker) unsentLocked(err error) {
	if err := sent(err); err != nil {
		w.failLocked(err)
		return
	}
	w.reason = errGone // nothing more for it: its death is on the way
}

var errGone = errors.New("its socket has ended")

func (w *worker) terminateLocked() {
	if w.lane != nil {
		if t := w.runningLocked(); t != nil {
			t.cancel.closing = true
			w.link.Send(wire.AppendCancel(nil, t.id), -1)
		}
	}
	w.proc.Terminate()
}

// recycleLocked retires a worker that has finished as many tasks, or blocks, as one
// may.
func (w *worker) recycleLocked() {
	if most := w.pool.opts.Replacement.AfterTasks; most > 0 && w.done >= most {
		w.retireLocked(fmt.Sprintf("it has finished %d tasks", w.done))
	}
}

// open reports whether w may be given tasks.
func (w *worker) open() bool { return w.reason == nil && w.retired == "" }
