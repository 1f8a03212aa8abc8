package shm

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// What is too small, and what the user can do about it.
const (
	remedyMount  = "release arrays, remove what dead programs have left (GC), or enlarge it (mount -o remount,size=… /dev/shm; of a container where it is started, in Docker by --shm-size)"
	remedyInodes = "remove files from it or raise nr_inodes (mount -o remount,nr_inodes=… /dev/shm)"
	mendCgroup   = "raise the memory limit of this container or unit, or ask for less"
	remedyMemory = "free memory on this machine, or ask for less"
	remedySpace  = "close segments, or raise ulimit -v and vm.max_map_count"
)

// A room is what a recent look at the memory limits allows a run to make
// without another look: reading them takes many times as long as making a small
// segment.
type room struct {
	mu      sync.Mutex
	until   time.Time
	bytes   int64
	pending int64 // granted, and not yet in what the limits say is used
}

const roomLasts = time.Second

// check refuses what cannot fit before anything is made: past the limit of a
// memory cgroup, or of the machine, a reservation is not an ENOSPC but an OOM
// kill. The size of /dev/shm does not bound an anonymous segment.
func (r *room) check(name string, size int64, anonymous bool) error {
	if size <= 0 || size != int64(int(size)) {
		return fmt.Errorf("shm: create %q: size %d, expected more than 0 bytes", name, size)
	}
	refuse := func(free int64, where, remedy string) error {
		return &SpaceError{Name: name, Asked: size, Free: max(free, 0), Where: where, Remedy: remedy, Err: unix.ENOSPC}
	}
	if free := mountFree(); !anonymous && size > free {
		return refuse(free, dir, remedyMount)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if size <= r.bytes && time.Now().Before(r.until) {
		r.bytes -= size
		r.pending += size
		return nil
	}
	inGroup, limit := cgroupFree()
	if inGroup -= r.pending; size > inGroup {
		return refuse(inGroup, limit, mendCgroup)
	}
	inMachine := memoryFree("") - r.pending
	if size > inMachine {
		return refuse(inMachine, "this machine's memory", remedyMemory)
	}
	// Others take memory too: a quarter of what is left before looking again.
	r.bytes, r.until = (min(inGroup, inMachine)-size)/4, time.Now().Add(roomLasts)
	r.pending += size
	return nil
}

// taken ends what check has granted: it is in use by now, or given up.
func (r *room) taken(size int64) {
	r.mu.Lock()
	r.pending -= size
	r.mu.Unlock()
}

// spaceError dresses a failed reservation or mapping with what was free.
func spaceError(name string, size int64, anonymous bool, err error) error {
	e := &SpaceError{Name: name, Asked: size, Err: err}
	switch {
	case errors.Is(err, unix.ENOMEM):
		e.Free, e.Where, e.Remedy = memoryFree(""), "this machine, but not in this process's address space or number of mappings", remedySpace
	case errors.Is(err, unix.EFBIG):
		e.Free, e.Where, e.Remedy = fileSizeLimit(), "the file size limit of this process", "raise ulimit -f"
	case !errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("shm: create %q (%d bytes): %w", name, size, err)
	case !anonymous && mountFree() < size:
		e.Free, e.Where, e.Remedy = mountFree(), dir, remedyMount
	case !anonymous && !inodesFree():
		e.Free, e.Where, e.Remedy = mountFree(), dir+" but no inodes", remedyInodes
	default: // the kernel overcommits no memory
		e.Free, e.Where, e.Remedy = memoryFree(""), "this machine's memory", remedyMemory
	}
	return e
}

// mountFree is the free space of /dev/shm in bytes; MaxInt64 where it has no size limit.
func mountFree() int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Blocks == 0 { // no size set
		return math.MaxInt64
	}
	return int64(st.Bavail) * st.Bsize
}

// fileSizeLimit is the largest file that this process may make, in bytes.
func fileSizeLimit() int64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_FSIZE, &l) != nil || l.Cur > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(l.Cur)
}

// inodesFree reports whether /dev/shm has room for another file.
func inodesFree() bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) != nil || st.Files == 0 || st.Ffree > 0
}

// memoryFree is the kernel's estimate, in bytes, of the memory and swap that programs can
// take without making others swap.
func memoryFree(root string) int64 {
	b, _ := os.ReadFile(root + "/proc/meminfo")
	free, found := int64(0), false
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "MemAvailable:" && f[0] != "SwapFree:" {
			continue
		}
		if kib, err := strconv.ParseInt(f[1], 10, 64); err == nil && kib < math.MaxInt64/2048 {
			free, found = free+kib*1024, found || f[0] == "MemAvailable:"
		}
	}
	if !found {
		return math.MaxInt64
	}
	return free
}

// cgroupFree is the least head-room of this process's memory cgroup and its
// ancestors, and the file of the limit it came from.
func cgroupFree() (int64, string) {
	free, where := int64(math.MaxInt64), ""
	for _, l := range memoryLimits("") {
		// The processes' own heaps and stacks, and the kernel's memory for them,
		// count too: an eighth of the limit, at most 32 MiB, is not for segments.
		if left := l.Free - min(l.Most/8, 32<<20); left < free {
			free, where = left, l.File
		}
	}
	return free, where
}

func readInt(file string) (int64, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // "max" is no number
	return n, err == nil
}

// readStat is one field of a memory.stat file; 0 if it is not there.
func readStat(file, field string) int64 {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, field+" "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			return n
		}
	}
	return 0
}
