package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Look reads /proc. Of a process that has died OK is false.
func Look(pid int) (s Sample) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return s
	}
	for line := range bytes.Lines(b) {
		key, value, _ := strings.Cut(string(line), ":")
		switch value = strings.TrimSpace(value); key {
		case "State":
			s.OK = value != "" && value[0] != 'Z' && value[0] != 'X'
			s.Stopped = strings.HasPrefix(value, "T") || strings.HasPrefix(value, "t")
		case "RssAnon":
			s.Private = kibibytes(value)
		case "RssShmem":
			s.Shared = kibibytes(value)
		}
	}
	return s
}

func kibibytes(v string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(v, " kB"), 10, 64)
	return n << 10
}
