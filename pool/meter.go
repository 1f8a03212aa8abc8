package pool

import (
	"sync/atomic"
	"time"

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
)

// begunWords are in the lane: what the supervisor is to know of an attempt whose
// worker dies. task is stored last, and is what says that the others are of it.
type begunWords struct {
	task  *atomic.Uint64 // its taskID's number
	start *atomic.Uint64 // as in a usage
	cpu   *atomic.Uint64 // of the worker until then, in nanoseconds
}

func begunIn(mem []byte) begunWords {
	return begunWords{word64(mem, begunAt), word64(mem, begunAt+8), word64(mem, begunAt+16)}
}

// A meter measures attempts, in the worker, for the goroutine that runs tasks.
type meter struct {
	clock proc.Clock
	start time.Time
	cpu   time.Duration // until then
}

// begin is before a task or a block.
func (m *meter) begin(id wire.TaskID, words begunWords) {
	m.start, m.cpu = time.Now(), m.clock.Time()
	words.start.Store(uint64(m.start.UnixNano()))
	words.cpu.Store(uint64(m.cpu))
	words.task.Store(id.Number())
}

// end is after it.
func (m *meter) end() wire.Usage {
	return wire.Usage{
		Start: m.start.UnixNano(), Wall: time.Since(m.start),
		CPU: m.clock.Time() - m.cpu, Private: m.clock.Private(),
	}
}
