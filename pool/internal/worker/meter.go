package worker

import (
	"time"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
)

// A meter measures attempts, in the worker, for the goroutine that runs tasks.
type meter struct {
	clock proc.Clock
	start time.Time
	cpu   time.Duration // until then
}

// begin is before a task or a block.
func (m *meter) begin(id wire.TaskID, begun lane.Begun) {
	m.start, m.cpu = time.Now(), m.clock.Time()
	begun.Store(id, m.start, m.cpu)
}

// end is after it.
func (m *meter) end() wire.Usage {
	return wire.Usage{
		Start: m.start.UnixNano(), Wall: time.Since(m.start),
		CPU: m.clock.Time() - m.cpu, Private: m.clock.Private(),
	}
}
