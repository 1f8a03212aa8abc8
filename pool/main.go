package pool

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// workerEnv says that this process was started as a worker: "version.slot.nonce".
const workerEnv = "HANDOFF_WORKER"

func isWorker() bool { return os.Getenv(workerEnv) != "" }

// Main turns a process that a pool started into a worker and does not return
// there; everywhere else it returns at once. Call it first thing in main, and in
// TestMain: what runs before it runs in every worker too.
func Main() {
	v := os.Getenv(workerEnv)
	if v == "" {
		return
	}
	os.Unsetenv(workerEnv) // the task's own children are no workers
	if err := runWorker(v); err != nil {
		fmt.Fprintln(os.Stderr, "handoff worker:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func formatWorkerEnv(version uint32, slot int, nonce [16]byte) string {
	return fmt.Sprintf("%d.%d.%x", version, slot, nonce)
}

func parseWorkerEnv(v string) (version uint32, slot int, nonce [16]byte, err error) {
	part := strings.Split(v, ".")
	if len(part) == 3 && len(part[2]) == 2*len(nonce) {
		n, err1 := strconv.ParseUint(part[0], 10, 32)
		s, err2 := strconv.ParseUint(part[1], 10, 16)
		_, err3 := hex.Decode(nonce[:], []byte(part[2]))
		if err1 == nil && err2 == nil && err3 == nil {
			return uint32(n), int(s), nonce, nil
		}
	}
	return 0, 0, nonce, fmt.Errorf("%s=%.60q is not what a pool sets: unset it", workerEnv, v)
}
