package worker

import (
	"time"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
)

// A meter measures attempts, for the goroutine that runs tasks. A nil one does nothing.
type meter struct {
	clock proc.Clock
	start time.Time
	cpu   time.Duration // until then
}

// begin is before a task or a block.
func (m *meter) begin(id wire.TaskID, begun lane.Begun) {
	if m != nil {
		m.start, m.cpu = time.Now(), m.clock.Time()
		begun.Store(id, m.start, m.cpu)
	}
}

// end is after it, and ends the record that tells of it.
func (m *meter) end(record []byte) []byte {
	if m == nil {
		return record
	}
	return wire.Usage{
		Start: m.start.UnixNano(), Wall: time.Since(m.start),
		CPU: m.clock.Time() - m.cpu, Private: m.clock.Private(),
	}.Append(record)
}
