package worker

import (
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A Func is what a worker needs of a registered function: one of Runner and RangeRunner,
// which are called once in each worker, by the goroutine that runs tasks.
type Func struct {
	Arrays bool // its result has arrays
	// Runner returns what decodes args, calls the function and appends the encoded result
	// to dst.
	Runner func(c *Call) func(args, dst []byte) ([]byte, error)
	// RangeRunner returns what decodes the arguments of a function over a range, once for
	// all blocks of a share.
	RangeRunner func(c *Call) func(args []byte) (Body, error)
}

// A Body calls a function for the indices from lo up to hi and appends the encoded
// result to dst.
type Body = func(lo, hi int, dst []byte) ([]byte, error)

// A Host is what differs between a worker process and a worker goroutine.
type Host struct {
	Slot         int
	SegmentBytes int64                                 // of a segment for results
	Spread       bool                                  // there is a core for each process
	Clock        *proc.Clock                           // nil: attempts are not measured
	DrainOnClose bool                                  // Serve returns after the running task, not before
	AtRelease    func(end func())                      // of one that drains: gets what ends its results
	Teardown     func()                                // runs after the last task; may be nil
	Attach       func(a wire.Announce, fd int) Mapping // fd is its own, or −1
	Detach       func(Mapping)
}

// A Mapping is an announced segment.
type Mapping struct {
	Segment *shm.Segment // as its use says
	Views   *shm.Segment // read-only
	Err     error
}
