package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"example.com/handoff/bench/stat"
)

// checkMemory refuses arrays that would not fit into this machine's memory: Go
// does not return that as an error. Shared memory is checked by shm.
func checkMemory(names []string, bytes int64) error {
	arrays := 1.0 // the payload
	for _, name := range names {
		switch {
		case name == gobFresh || name == gobReused:
			arrays += gobArrays
		case name != inProcess: // a receiver's buffer or a segment
			arrays++
		}
	}
	have, ok := memInfo("MemAvailable")
	if need := arrays * float64(bytes); ok && need > float64(have) {
		return fmt.Errorf("bench: arrays of %s need about %s of memory, %s are available: choose smaller sizes or fewer strategies",
			FormatSize(bytes), stat.Size(need), stat.Size(have))
	}
	return nil
}

// gobArrays is how much memory gob takes at its peak, in arrays of the message,
// as measured with 64 MiB: 7 in the sender, 10 in the receiver. Buffers are
// copied as they grow, and the old ones wait for the collector.
const gobArrays = 17

// memInfo is one field of /proc/meminfo, in bytes.
func memInfo(field string) (int64, bool) {
	b, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) >= 2 && f[0] == field+":" {
			kib, err := strconv.ParseInt(f[1], 10, 53)
			return kib << 10, err == nil
		}
	}
	return 0, false
}
