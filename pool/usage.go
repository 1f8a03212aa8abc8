package pool

import (
	"encoding/binary"
	"sync/atomic"
	"time"
)

// A usage is what an attempt has taken. Where Options.OnAttempt is set it ends each
// result and part, little-endian, and is a stranger's:
//
//	offset  size  what
//	     0     8  start, in nanoseconds since 1970
//	     8     8  wall time, in nanoseconds
//	    16     8  CPU time, in nanoseconds
//	    24     8  private memory of the worker at the end, in bytes
type usage struct {
	start     int64
	wall, cpu time.Duration
	private   int64
}

const usageBytes = 32

func (u usage) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(u.start))
	b = binary.LittleEndian.AppendUint64(b, uint64(u.wall))
	b = binary.LittleEndian.AppendUint64(b, uint64(u.cpu))
	return binary.LittleEndian.AppendUint64(b, uint64(u.private))
}

// cutUsage takes the usage off the end of a record.
func cutUsage(record []byte) (rest []byte, u usage, ok bool) {
	n := len(record) - usageBytes
	if n < 0 {
		return record, u, false
	}
	b := record[n:]
	return record[:n], usage{
		start:   int64(binary.LittleEndian.Uint64(b)),
		wall:    time.Duration(binary.LittleEndian.Uint64(b[8:])),
		cpu:     time.Duration(binary.LittleEndian.Uint64(b[16:])),
		private: int64(binary.LittleEndian.Uint64(b[24:])),
	}, true
}

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
	clock cpuClock
	start time.Time
	cpu   time.Duration // until then
}

// begin is before a task or a block.
func (m *meter) begin(id taskID, words begunWords) {
	m.start, m.cpu = time.Now(), m.clock.time()
	words.start.Store(uint64(m.start.UnixNano()))
	words.cpu.Store(uint64(m.cpu))
	words.task.Store(id.number())
}

// end is after it.
func (m *meter) end() usage {
	return usage{
		start: m.start.UnixNano(), wall: time.Since(m.start),
		cpu: m.clock.time() - m.cpu, private: m.clock.private(),
	}
}
