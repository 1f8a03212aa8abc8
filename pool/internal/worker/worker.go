package worker

import (
	"sync/atomic"

	"example.com/handoff/pool/internal/codec"
	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A Func is what a worker needs of a registered function. One of Runner and RangeRunner is
// set; it is called once in each worker, when the function is needed first, and what it
// returns by one goroutine at a time.
type Func struct {
	// Known when a runner was returned.
	Arrays bool // its result has arrays
	Keeps  bool // its arguments have none, and those of a range can be kept
	// Runner returns what decodes args, calls the function and appends the encoded result
	// to dst.
	Runner func(c *Call) func(args, dst []byte) ([]byte, error)
	// RangeRunner returns what decodes the arguments of a function over a range, once for
	// all blocks of a share, or of all shares that the worker has of the range.
	RangeRunner func(c *Call) func(args []byte) (Body, error)
}

// A Body calls a function for the indices from lo up to hi and appends the encoded
// result to dst.
type Body = func(lo, hi int, dst []byte) ([]byte, error)

// A Program is all that a worker process needs to know of the program it is of.
type Program struct {
	Funcs    []*Func  // by number
	Registry [16]byte // a hash of them, which the supervisor must have too
	// Sentinels names the registered errors that an error is or wraps.
	Sentinels func(error) []string
	Init      func() error   // before the hello
	Teardown  func() []error // after the last task
}

// A Host is what differs between a worker process and a worker that is goroutines of the
// supervisor's process.
type Host struct {
	Slot         int
	SegmentBytes int64                                 // of a segment for results
	Spread       bool                                  // there is a core for each process
	Clock        *proc.Clock                           // nil: attempts are not measured
	Teardown     func()                                // runs after the last task; may be nil
	Sentinels    func(error) []string                  // as a Program's
	Attach       func(a wire.Announce, fd int) Mapping // fd is its own, or −1
	Detach       func(Mapping)
	// InProcess, of goroutines, gets what gives back the memory of their results, which
	// the supervisor may still have to take when Serve returns. It makes Serve wait for the
	// running task, and a fault anywhere a task's own failure: there is no process to end.
	InProcess func(release func())
}

// A Mapping is an announced segment.
type Mapping struct {
	Segment *shm.Segment // as its use says
	Views   *shm.Segment // read-only; may be the same
	Err     error        // why there is none
}

// A worker is what its two goroutines share, which a Call uses too. A field is set before
// they start unless its comment says otherwise.
type worker struct {
	host     Host
	link     proc.Link
	lane     lane.Worker // the runner's, but for the doorbells and Flight.Message
	call     Call
	segments segments
	results  *resultArena
	shared   *codec.Cache

	freesRead atomic.Uint32 // free messages; stored by receive
	draining  atomic.Bool   // there will be no more tasks; stored by receive
	ended     atomic.Bool   // no task is begun any more
	outcome   chan error    // gets why the runner closes the link, before it does; nil: it is drained
	finished  chan struct{} // closed when the runner has ended
	gone      chan struct{} // closed when there will be no messages any more
}

// Serve says hello and runs tasks until it is drained (nil) or the supervisor is gone
// (io.EOF). Afterwards every context it gave out has ended. funcs are all functions, by
// number.
func Serve(link proc.Link, mine lane.Worker, funcs []*Func, me wire.Hello, host Host) error {
	w := &worker{
		host: host, link: link, lane: mine,
		outcome: make(chan error, 1), finished: make(chan struct{}), gone: make(chan struct{}),
	}
	w.segments.init(w.gone)
	w.shared = codec.NewCache(mine.Spines)
	w.results = newResultArena(link, host.SegmentBytes, w.gone)
	w.call.slot, w.call.worker, w.call.arena = host.Slot, w, w.results.arena
	r := newRunner(w, funcs)
	step("started")
	if err := link.Send(me.Append(nil), -1); err != nil {
		return err
	}
	w.lane.Flight.Message(wire.FlightHello, 0)
	step("said-hello")
	go r.loop()
	err := w.receive()
	w.ended.Store(true)
	w.lane.Doorbell.Wake()
	w.call.endAll()
	close(w.gone)
	select {
	case err = <-w.outcome:
	default:
	}
	if host.InProcess != nil {
		<-w.finished
		w.shared.Close()
		host.InProcess(w.results.end)
	}
	return err
}
