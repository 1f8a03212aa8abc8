package pool

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// sampleProcess reads /proc. A process that has died gives none.
func sampleProcess(pid int) (s sample) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return s
	}
	for line := range bytes.Lines(b) {
		key, value, _ := strings.Cut(string(line), ":")
		switch value = strings.TrimSpace(value); key {
		case "State":
			s.ok = value != "" && value[0] != 'Z' && value[0] != 'X'
			s.stopped = strings.HasPrefix(value, "T") || strings.HasPrefix(value, "t")
		case "RssAnon":
			s.private = kibibytes(value)
		case "RssShmem":
			s.shared = kibibytes(value)
		}
	}
	return s
}

func kibibytes(v string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(v, " kB"), 10, 64)
	return n << 10
}
