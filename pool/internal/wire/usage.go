package wire

import (
	"runtime"
	"time"
)

// A Usage is the time and memory of an attempt, as the worker has measured it: see Clamp.
type Usage struct {
	Start     int64 // in nanoseconds since 1970
	Wall, CPU time.Duration
	Private   int64 // memory of the worker at the end, in bytes
}

const usageBytes = 32

func (u Usage) Append(b []byte) []byte {
	b = le.AppendUint64(b, uint64(u.Start))
	b = le.AppendUint64(b, uint64(u.Wall))
	b = le.AppendUint64(b, uint64(u.CPU))
	return le.AppendUint64(b, uint64(u.Private))
}

// CutUsage takes the usage off the end of a record.
func CutUsage(record []byte) (rest []byte, u Usage, ok bool) {
	n := len(record) - usageBytes
	if n < 0 {
		return record, u, false
	}
	b := record[n:]
	return record[:n], Usage{
		Start: int64(le.Uint64(b)), Wall: time.Duration(le.Uint64(b[8:])),
		CPU: time.Duration(le.Uint64(b[16:])), Private: int64(le.Uint64(b[24:])),
	}, true
}

// MaxPrivate is more than any process can have.
const MaxPrivate = 1 << 52

// Clamp returns what is nearest to u of what can be of an attempt between two times: a
// worker's clock may have been set, and it may lie.
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
