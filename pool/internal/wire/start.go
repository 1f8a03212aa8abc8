package wire

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// WorkerEnv is set in a worker process, to a [WorkerStart] as text.
const WorkerEnv = "HANDOFF_WORKER"

// StderrPrefix begins what a worker's own code, not the user's, writes to its standard
// error.
const StderrPrefix = "handoff worker: "

// A WorkerStart is handed to a worker process in its environment, before its hello.
type WorkerStart struct {
	Version      uint32
	Slot         int
	Nonce        [16]byte
	SegmentBytes int64         // of Options.Arenas.Results
	Wake         time.Duration // that waking a sleeper takes on this machine
	Spread       bool          // each process has a core for itself
	Measure      bool          // attempts are measured
}

func (w WorkerStart) String() string {
	return fmt.Sprintf("%d.%d.%x.%d.%d.%t.%t", w.Version, w.Slot, w.Nonce, w.SegmentBytes, w.Wake, w.Spread, w.Measure)
}

// ParseWorkerStart reads what another version of this program may have written:
// its version comes first, whatever follows.
func ParseWorkerStart(v string) (w WorkerStart, err error) {
	bad := fmt.Errorf("%s=%.100q is not what a pool sets: unset it", WorkerEnv, v)
	part := strings.Split(v, ".")
	n, err := strconv.ParseUint(part[0], 10, 32)
	if err != nil {
		return w, bad
	}
	if w.Version = uint32(n); w.Version != Version {
		return w, fmt.Errorf("the supervisor speaks protocol version %d, this worker %d", w.Version, Version)
	}
	if len(part) != 7 || len(part[2]) != 2*len(w.Nonce) {
		return w, bad
	}
	slot, err1 := strconv.ParseUint(part[1], 10, 16)
	_, err2 := hex.Decode(w.Nonce[:], []byte(part[2]))
	segment, err3 := strconv.ParseUint(part[3], 10, 63)
	wake, err4 := strconv.ParseUint(part[4], 10, 63)
	spread, err5 := strconv.ParseBool(part[5])
	measure, err6 := strconv.ParseBool(part[6])
	if err := cmp.Or(err1, err2, err3, err4, err5, err6); err != nil {
		return w, bad
	}
	w.Slot, w.SegmentBytes, w.Wake, w.Spread, w.Measure = int(slot), int64(segment), time.Duration(wake), spread, measure
	return w, nil
}
