package chaos

import (
	"errors"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// workerSocket is the descriptor of a worker's socket.
const workerSocket = 3

// writeGarbage sends a message whose kind there is not.
func writeGarbage() error {
	_, err := unix.Write(workerSocket, []byte("\xffchaos"))
	return os.NewSyscallError("write", err)
}

var errNoLimit = errors.New("the worker finds no limit of its memory")

// memoryLimit is what the pool has set for this worker alone: RLIMIT_DATA, or the
// limit of its own memory cgroup. One that it shares with others is no limit: who
// goes past it may have any of them killed.
func memoryLimit() (int64, error) {
	var data unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &data); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	if data.Cur != unix.RLIM_INFINITY && data.Cur < 1<<62 {
		return int64(data.Cur), nil
	}
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(groups)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 || !strings.HasPrefix(path.Base(part[2]), "handoff-") {
			continue
		}
		mount, file := "/sys/fs/cgroup", "memory.max"
		if part[1] == "memory" {
			mount, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if part[1] != "" {
			continue
		}
		for _, dir := range []string{path.Join(mount, part[2]), path.Join(mount, path.Base(part[2]))} { // in a container the path may be the host's
			b, err := os.ReadFile(path.Join(dir, file))
			if err != nil {
				continue
			}
			if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n < 1<<62 {
				return n, nil
			}
		}
	}
	return 0, errNoLimit
}
