package proc

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// dataSlack is what a Go process needs beside its ceiling before its first task:
// the heap grows by arenas of 64 MiB, which count whole, and with cgo each thread
// has a stack of 8 MiB that does.
const dataSlack = 64<<20 + cgoSlack

var errNoCgroup = errors.New("there is no memory cgroup")

// A Cgroup is a memory cgroup: of one child, or the one that this process is in, which
// can only be read.
type Cgroup struct {
	Dir     string // "": there is none
	own     bool
	version int
}

// OwnCgroup is the one that this process is in.
func OwnCgroup() (g Cgroup) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return g
	}
	for line := range strings.Lines(string(b)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			continue
		}
		mount, version := "", 0
		switch part[1] {
		case "memory":
			mount, version = "/sys/fs/cgroup/memory", 1
		case "":
			mount, version = "/sys/fs/cgroup", 2
		default:
			continue
		}
		for _, dir := range []string{filepath.Join(mount, part[2]), mount} { // in a container the path may be the host's
			c := Cgroup{Dir: dir, version: version}
			if _, ok := c.oomKills(); ok {
				return c
			}
		}
	}
	return g
}

// oomKills counts the group's processes that the kernel has killed because memory ran out;
// false if the group does not tell.
func (g Cgroup) oomKills() (int64, bool) {
	file := "memory.events"
	if g.version == 1 {
		file = "memory.oom_control"
	}
	b, err := os.ReadFile(filepath.Join(g.Dir, file))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// peak is the most memory that the group has used, if it is one process's own.
func (g Cgroup) peak() int64 {
	if !g.own {
		return 0
	}
	file := "memory.peak"
	if g.version == 1 {
		file = "memory.max_usage_in_bytes"
	}
	b, _ := os.ReadFile(filepath.Join(g.Dir, file))
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n
}

// Child makes a group below g for one process, with a limit in bytes. A new one for each
// process: one that was full once may kill its next child at birth.
func (g Cgroup) Child(name string, limit int64) (c Cgroup, err error) {
	c = Cgroup{Dir: filepath.Join(g.Dir, name), own: true, version: g.version}
	if g.Dir == "" {
		return c, errNoCgroup
	}
	if err := os.Mkdir(c.Dir, 0o755); err != nil {
		return c, err
	}
	write := func(file string, n int64) error {
		return os.WriteFile(filepath.Join(c.Dir, file), []byte(strconv.FormatInt(n, 10)), 0)
	}
	if g.version == 1 {
		err = write("memory.limit_in_bytes", limit)
		write("memory.memsw.limit_in_bytes", limit) // where swap is accounted for
	} else {
		err = write("memory.max", limit)
		write("memory.swap.max", 0)
	}
	if err != nil {
		os.Remove(c.Dir)
	}
	return c, err
}

// enter puts a process into the group.
func (g Cgroup) enter(pid int) error {
	return os.WriteFile(filepath.Join(g.Dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
}

// Remove removes the group of a dead process: it may not be quite gone.
func (g Cgroup) Remove() {
	for wait := time.Millisecond; g.own && wait < time.Second; wait *= 2 {
		if err := os.Remove(g.Dir); err == nil || errors.Is(err, fs.ErrNotExist) {
			return
		}
		time.Sleep(wait)
	}
}

// cgroupName names a child's group, and cgroupRun finds the run in such a name.
func cgroupName(run string, slot, pid int) string {
	return fmt.Sprintf("handoff-%s-%d-%d", run, slot, pid)
}

func cgroupRun(name string) (run string, ok bool) {
	part := strings.Split(name, "-")
	if len(part) != 4 || part[0] != "handoff" {
		return "", false
	}
	id, err := hex.DecodeString(part[1])
	_, err2 := strconv.ParseUint(part[2], 10, 32)
	_, err3 := strconv.ParseUint(part[3], 10, 32)
	return part[1], len(id) == runIDBytes && cmp.Or(err, err2, err3) == nil
}

const runIDBytes = 12

// leftFor is for how long a group must have been there to be a dead run's: a new one
// is empty for a moment, and its run may have another /dev/shm.
const leftFor = 10 * time.Second

// sweep removes the groups that dead runs have left below g: empty ones, not new,
// whose run has no lock file any more.
func (g Cgroup) sweep() {
	if g.Dir == "" {
		return
	}
	all, err := os.ReadDir(g.Dir)
	if err != nil {
		return
	}
	for _, d := range all {
		run, ours := cgroupRun(d.Name())
		if !ours {
			continue
		}
		info, err := d.Info()
		if err != nil || time.Since(info.ModTime()) < leftFor {
			continue
		}
		if _, err := os.Lstat("/dev/shm/handoff-" + run + ".lock"); errors.Is(err, fs.ErrNotExist) {
			os.Remove(filepath.Join(g.Dir, d.Name())) // which fails while there is a process in it
		}
	}
}

// oomCounter accounts for the OOM kills of the children that have no cgroup of their own.
type oomCounter struct {
	group Cgroup // that this process and these children are in

	mu   sync.Mutex // guards seen
	seen int64      // kills that were accounted for
}

func newOOMCounter() *oomCounter {
	o := &oomCounter{group: OwnCgroup()}
	o.group.sweep()
	o.seen, _ = o.group.oomKills()
	return o
}

// killed reports whether the kernel has killed a process of g, a child's group or the
// shared one, for its memory that is not accounted for yet.
func (o *oomCounter) killed(g Cgroup) bool {
	n, ok := g.oomKills()
	if g.own || !ok {
		return n > 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if n <= o.seen {
		return false
	}
	o.seen++
	return true
}

// limitMemory puts the ceiling of cfg on a new process: a cgroup of its own where that is
// allowed, else RLIMIT_DATA, which leaves mapped segments out.
func (c *Child) limitMemory(cfg *Config) (err error) {
	c.group = c.oom.group
	if cfg.MemoryLimit == 0 {
		return nil
	}
	c.cgroupErr = errNoCgroup
	if !cfg.NoCgroup {
		var g Cgroup
		if g, c.cgroupErr = c.group.Child(cgroupName(cfg.Run, cfg.Slot, c.PID()), cfg.MemoryLimit); c.cgroupErr == nil {
			if c.cgroupErr = g.enter(c.PID()); c.cgroupErr == nil {
				c.group = g
				return nil
			}
			g.Remove()
		}
	}
	n := uint64(cfg.MemoryLimit + dataSlack)
	if err := unix.Prlimit(c.PID(), unix.RLIMIT_DATA, &unix.Rlimit{Cur: n, Max: n}, nil); err != nil {
		return fmt.Errorf("memory ceiling: %w", os.NewSyscallError("prlimit RLIMIT_DATA", err))
	}
	return nil
}
