package pool

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// workerEnv says that this process was started as a worker, and what it is to
// know before its hello: "version.slot.nonce.segmentBytes.wake.spread.measure".
const workerEnv = "HANDOFF_WORKER"

type workerStart struct {
	version      uint32
	slot         int
	nonce        [16]byte
	segmentBytes int64         // of Options.Results
	wake         time.Duration // what waking a sleeper takes here
	spread       bool          // there is a core for each process
	measure      bool          // attempts are to be
}

// workerPrefix begins what a worker's own code writes to its standard error.
const workerPrefix = "handoff worker: "

func isWorker() bool { return os.Getenv(workerEnv) != "" }

// Main turns a process that a pool started into a worker and does not return
// there; everywhere else it returns at once. Call it first thing in main, and in
// TestMain: what runs before it runs in every worker too, and what comes after it
// does not. A worker has no arguments (os.Args is the program's name alone) and
// none of the program's variables: flags and settings reach a task in its input.
func Main() {
	v := os.Getenv(workerEnv)
	if v == "" {
		return
	}
	os.Unsetenv(workerEnv) // the task's own children are no workers
	if err := runWorker(v); err != nil {
		fmt.Fprintln(os.Stderr, workerPrefix+err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

func (w workerStart) String() string {
	return fmt.Sprintf("%d.%d.%x.%d.%d.%t.%t", w.version, w.slot, w.nonce, w.segmentBytes, w.wake, w.spread, w.measure)
}

// parseWorkerStart reads what another version of this program may have written:
// its version comes first, whatever follows.
func parseWorkerStart(v string) (w workerStart, err error) {
	bad := fmt.Errorf("%s=%.100q is not what a pool sets: unset it", workerEnv, v)
	part := strings.Split(v, ".")
	n, err := strconv.ParseUint(part[0], 10, 32)
	if err != nil {
		return w, bad
	}
	if w.version = uint32(n); w.version != protocolVersion {
		return w, fmt.Errorf("the supervisor speaks protocol version %d, this worker %d", w.version, protocolVersion)
	}
	if len(part) != 7 || len(part[2]) != 2*len(w.nonce) {
		return w, bad
	}
	slot, err1 := strconv.ParseUint(part[1], 10, 16)
	_, err2 := hex.Decode(w.nonce[:], []byte(part[2]))
	segment, err3 := strconv.ParseUint(part[3], 10, 63)
	wake, err4 := strconv.ParseUint(part[4], 10, 63)
	spread, err5 := strconv.ParseBool(part[5])
	measure, err6 := strconv.ParseBool(part[6])
	if err := cmp.Or(err1, err2, err3, err4, err5, err6); err != nil {
		return w, bad
	}
	w.slot, w.segmentBytes, w.wake, w.spread, w.measure = int(slot), int64(segment), time.Duration(wake), spread, measure
	return w, nil
}
