package worker

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/wire"
)

// A runner takes tasks from the lane, runs them and answers. All of it belongs to the
// goroutine of loop.
type runner struct {
	*worker
	funcs []function // by number; empty until it is needed
	known []*Func    // by number
	meter *meter     // nil: attempts are not measured
	ready func() bool

	in, out        []byte // the record of a task, and that of its result
	part           []byte // the record of a block
	lo, hi         int    // of the block that has not returned; hi is 0 if there is none
	lacksResources bool   // it runs no more tasks: the supervisor replaces it
	kept           keptRange
}

// A function is a Func made ready to be called.
type function struct {
	arrays   bool
	keeps    bool // arguments, from one share of a range to the next
	run      func(args, dst []byte) ([]byte, error)
	runRange func(args []byte) (Body, error)
}

func newRunner(w *worker, funcs []*Func) *runner {
	r := &runner{worker: w, funcs: make([]function, len(funcs)), known: funcs, in: make([]byte, lane.RecordBytes)}
	if w.host.Clock != nil {
		r.meter = &meter{clock: *w.host.Clock}
	}
	r.ready = func() bool { return r.lane.Down.Ready() || r.draining.Load() || r.ended.Load() }
	return r
}

// function is the one of a number; nil if there is none.
func (r *runner) function(n uint16) *function {
	if int(n) >= len(r.funcs) {
		return nil
	}
	f := &r.funcs[n]
	if f.run == nil && f.runRange == nil {
		if known := r.known[n]; known.RangeRunner != nil {
			f.runRange = known.RangeRunner(&r.call)
		} else {
			f.run = known.Runner(&r.call)
		}
		f.arrays, f.keeps = r.known[n].Arrays, r.known[n].Keeps
	}
	return f
}

// longestSleep bounds what a hostile writer can do to the worker's doorbell.
const longestSleep = time.Second

// loop runs tasks. One that ends this goroutine is answered, and another goroutine goes on.
func (r *runner) loop() {
	debug.SetPanicOnFault(true) // of this goroutine: see fault
	if r.meter != nil && r.host.InProcess != nil {
		runtime.LockOSThread() // whose clock it is
		defer runtime.UnlockOSThread()
	}
	over := false
	defer func() {
		if !over {
			go r.loop()
		}
	}()
	for !r.ended.Load() {
		draining := r.draining.Load() // before Start: then there is nothing more to come
		record, revoked, ok := r.lane.Down.Start(r.in)
		switch {
		case ok:
			r.handleRecord(record, revoked)
		case r.lane.Down.Err() != nil:
			r.laneBroken(r.lane.Down.Err())
		case draining:
			r.drained()
		default:
			step("idle")
			r.dropRange()
			r.lane.Doorbell.Wait(r.ready, longestSleep)
			if r.host.Spread {
				r.lane.Doorbell.MoveAway(r.lane.Supervisor)
			}
		}
	}
	over = true
	r.link.Close() // ends receive
	close(r.finished)
}

// drained runs the teardown. The supervisor has given and will give no more tasks.
func (r *runner) drained() {
	step("drained")
	if r.host.Teardown != nil {
		r.lane.Flight.Task(wire.FlightTeardown, 0, 0, 0, 0)
		r.host.Teardown()
	}
	r.end(nil)
}

// laneBroken ends the worker: what is in its lane is not the supervisor's, or no longer.
func (r *runner) laneBroken(why error) {
	r.end(fmt.Errorf("its lane was written over: %w", why))
	r.link.Close()
}

// end is the end of tasks, for the first reason that there was.
func (r *runner) end(why error) {
	select {
	case r.outcome <- why:
	default:
	}
	r.ended.Store(true)
}

// handleRecord acts on a record of the lane.
func (r *runner) handleRecord(record []byte, revoked bool) {
	if len(record) > 0 && record[0] == wire.MsgFree {
		if blocks, ok := wire.ReadFree(record); ok {
			r.results.freed(blocks)
			return
		}
	}
	if t, args, ok := wire.ReadTask(record); ok {
		f := r.function(t.Func)
		switch {
		case f == nil || f.run == nil:
			r.laneBroken(wire.ErrMalformed)
		case revoked || r.lacksResources:
			r.answerRevoked(t.ID)
		default:
			r.run(f, &t, args)
		}
		return
	}
	if share, args, ok := wire.ReadRangeShare(record); ok {
		f := r.function(share.Func)
		switch {
		case f == nil || f.runRange == nil:
			r.laneBroken(wire.ErrMalformed)
		case revoked || r.lacksResources:
			r.answerRevoked(share.ID)
		default:
			r.runShare(share, args)
		}
		return
	}
	r.laneBroken(wire.ErrMalformed)
}

// answerRevoked answers a task that does not run here.
func (r *runner) answerRevoked(id wire.TaskID) {
	r.out = wire.AppendResult(r.out[:0], wire.StatusRevoked, id)
	if r.meter != nil {
		r.out = wire.Usage{}.Append(r.out)
	}
	r.answer()
}

// run runs a task and answers it.
func (r *runner) run(f *function, t *wire.Task, args []byte) {
	r.lane.Flight.Task(wire.FlightTask, t.Attempt, t.Func, t.ID.Index, t.ID.Epoch)
	step("task-begun")
	r.begin(t.ID, t.Attempt, t.Deadline)
	defer r.finish(f.arrays)
	step("task-run")
	var err error
	if t.Large {
		args, err = r.call.bindLarge(args)
	}
	var out []byte
	if err == nil {
		out, err = f.run(args, r.out)
	}
	if err == nil {
		r.out = out
	}
	r.setOutcome(err)
}

// begin makes a task the running one.
func (r *runner) begin(id wire.TaskID, attempt int, deadline int64) {
	r.call.begin(id, attempt, deadline)
	r.meter.begin(id, r.lane.Begun)
	r.out = wire.AppendResult(r.out[:0], wire.StatusGoexit, id) // unless it returns or panics
}

// setOutcome puts what the function has returned into the answer.
func (r *runner) setOutcome(err error) {
	var lacks *shortage
	switch {
	case err == nil && r.call.largeResult:
		wire.SetResultStatus(r.out, wire.StatusLarge)
	case err == nil:
		wire.SetResultStatus(r.out, wire.StatusOK)
	case errors.As(err, &lacks):
		r.lacksResources = true
		r.fail(wire.StatusResources, wire.Failure{Text: err.Error()})
	default:
		r.fail(wire.StatusError, wire.Failure{Text: err.Error(), Sentinels: r.host.Sentinels(err)})
	}
}

// fail makes the answer a failure.
func (r *runner) fail(status wire.Status, f wire.Failure) {
	if r.hi > 0 {
		f.Text = fmt.Sprintf("[%d, %d): %s", r.lo, r.hi, f.Text)
		r.lo, r.hi = 0, 0
	}
	r.out = wire.AppendFailure(r.out[:wire.ResultBytes], f)
	wire.SetResultStatus(r.out, status)
}

// finish ends what the task had and answers it, however its function has ended.
func (r *runner) finish(arrays bool) {
	if v := recover(); v != nil {
		r.failPanic(v)
	} else if wire.ResultStatus(r.out) == wire.StatusGoexit {
		r.fail(wire.StatusGoexit, wire.Failure{Text: "the function called runtime.Goexit"})
	}
	if usedArena := r.call.end(); arrays || usedArena {
		status := wire.ResultStatus(r.out)
		r.results.finish(status == wire.StatusOK || status == wire.StatusLarge)
	}
	step("task-ran")
	r.out = r.meter.end(r.out)
	r.answer()
}

// failPanic makes the answer a failure by a panic, or by a fault in an argument. After
// any other fault nobody knows what else was stored to: that ends the process.
func (r *runner) failPanic(v any) {
	text, inArgument := fault(v, r.call.arguments)
	status := wire.StatusPanic
	if !inArgument && text != "" && r.shared.Ended(v) {
		text, inArgument = "load or store in memory of a shared value whose task has ended: what is to stay must be cloned", true
	}
	switch {
	case inArgument:
		status = wire.StatusFault
	case text != "" && r.host.InProcess == nil:
		panic(v)
	default:
		text = fmt.Sprintf("%.1000v", v)
	}
	r.fail(status, wire.Failure{Text: text, Stack: string(debug.Stack())})
}

func (r *runner) answer() {
	wire.SetFreesRead(r.out, uint16(r.freesRead.Load()))
	r.put(r.out)
	r.lane.Supervisor.Notify()
	step("result-rung")
}

// fullTick is the pause between looks whether a full lane has room again. The supervisor
// does not notify for that.
const fullTick = time.Millisecond

// put puts a record into the lane, without a ring. Where the supervisor has not taken
// enough of those before, it waits.
func (r *runner) put(record []byte) {
	for {
		if _, ok := r.lane.Up.Put(record); ok {
			break
		}
		if r.ended.Load() {
			return
		}
		if err := r.lane.Up.Err(); err != nil {
			r.laneBroken(err)
			return
		}
		r.lane.Supervisor.Notify()
		r.lane.Doorbell.Wait(func() bool { return r.lane.Up.Fits(len(record)) || r.ended.Load() }, fullTick)
	}
	step("result-put")
	r.lane.Up.Publish()
	step("result-published")
}
