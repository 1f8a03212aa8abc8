package lane

import (
	"sync/atomic"
	"time"

	"example.com/handoff/pool/internal/wire"
)

// Begun is what the supervisor is to know of an attempt whose worker dies. The task is
// stored last, and is what says that the others are of it.
type Begun struct {
	task  *atomic.Uint64 // its number
	start *atomic.Uint64 // as in a wire.Usage
	cpu   *atomic.Uint64 // of the worker until then, in nanoseconds
}

func begunIn(mem []byte) Begun {
	return Begun{word64(mem, begunAt), word64(mem, begunAt+8), word64(mem, begunAt+16)}
}

// Store says that a task began at start, when its worker had used that much CPU time.
func (b Begun) Store(id wire.TaskID, start time.Time, cpu time.Duration) {
	b.start.Store(uint64(start.UnixNano()))
	b.cpu.Store(uint64(cpu))
	b.task.Store(id.Number())
}

// Load is what was stored of a task; ok is false if it was another, or none. What a
// worker has stored may be anything.
func (b Begun) Load(id wire.TaskID) (start int64, cpu time.Duration, ok bool) {
	return int64(b.start.Load()), time.Duration(b.cpu.Load()), b.task.Load() == id.Number()
}

// Any reports whether a task was ever stored.
func (b Begun) Any() bool { return b.task.Load() != 0 }
