package wire

import (
	"encoding/binary"
	"runtime"
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
type Usage struct {
	Start     int64
	Wall, CPU time.Duration
	Private   int64
}

const UsageBytes = 32

func (u Usage) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(u.Start))
	b = binary.LittleEndian.AppendUint64(b, uint64(u.Wall))
	b = binary.LittleEndian.AppendUint64(b, uint64(u.CPU))
	return binary.LittleEndian.AppendUint64(b, uint64(u.Private))
}

// CutUsage takes the usage off the end of a record.
func CutUsage(record []byte) (rest []byte, u Usage, ok bool) {
	n := len(record) - UsageBytes
	if n < 0 {
		return record, u, false
	}
	b := record[n:]
	return record[:n], Usage{
		Start:   int64(binary.LittleEndian.Uint64(b)),
		Wall:    time.Duration(binary.LittleEndian.Uint64(b[8:])),
		CPU:     time.Duration(binary.LittleEndian.Uint64(b[16:])),
		Private: int64(binary.LittleEndian.Uint64(b[24:])),
	}, true
}

// MaxPrivate is more than any process can have.
const MaxPrivate = 1 << 52

// possible is what a worker says of an attempt, made into what can be of one that ran
// between two times: a worker's clock may have been set, and it may lie.
func (u Usage) Clamp(born, now time.Time) Usage {
	u.Wall = min(max(u.Wall, 0), max(now.Sub(born), 0))
	u.Start = max(min(u.Start, now.UnixNano()-int64(u.Wall)), min(born.UnixNano(), now.UnixNano()))
	if cores := time.Duration(runtime.NumCPU()); u.CPU/cores > u.Wall {
		u.CPU = u.Wall * cores
	}
	u.CPU = max(u.CPU, 0)
	u.Private = min(max(u.Private, 0), MaxPrivate)
	return u
}
