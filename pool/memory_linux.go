package pool

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// dataSlack is what a Go process needs beside its ceiling before its first task:
// the heap grows by arenas of 64 MiB, which count whole, and with cgo each thread
// has a stack of 8 MiB that does.
const dataSlack = 64<<20 + cgoSlack

var errNoGroup = errors.New("there is no memory cgroup")

// A memoryGroup is the memory cgroup of one incarnation, or the one that all
// processes are in, if it can only be read.
type memoryGroup struct {
	dir     string
	own     bool
	version int
}

// memoryGroupHere is the group that this process is in; its dir is "" if there is none.
func memoryGroupHere() (g memoryGroup) {
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
			c := memoryGroup{dir: dir, version: version}
			if _, ok := c.oomKills(); ok {
				return c
			}
		}
	}
	return g
}

// oomKills is how many processes of the group the kernel has killed for its memory.
func (g memoryGroup) oomKills() (int64, bool) {
	file := "memory.events"
	if g.version == 1 {
		file = "memory.oom_control"
	}
	b, err := os.ReadFile(filepath.Join(g.dir, file))
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
func (g memoryGroup) peak() int64 {
	if !g.own {
		return 0
	}
	file := "memory.peak"
	if g.version == 1 {
		file = "memory.max_usage_in_bytes"
	}
	b, _ := os.ReadFile(filepath.Join(g.dir, file))
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n
}

// child makes a group below g for one process, with a limit. A new one for each
// process: one that was full once may kill its next child at birth.
func (g memoryGroup) child(name string, limit int64) (c memoryGroup, err error) {
	c = memoryGroup{dir: filepath.Join(g.dir, name), own: true, version: g.version}
	if g.dir == "" {
		return c, errNoGroup
	}
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		return c, err
	}
	write := func(file string, n int64) error {
		return os.WriteFile(filepath.Join(c.dir, file), []byte(strconv.FormatInt(n, 10)), 0)
	}
	if g.version == 1 {
		err = write("memory.limit_in_bytes", limit)
		write("memory.memsw.limit_in_bytes", limit) // where swap is accounted for
	} else {
		err = write("memory.max", limit)
		write("memory.swap.max", 0)
	}
	if err != nil {
		os.Remove(c.dir)
	}
	return c, err
}

// runOfGroup is the run of a group that bound has made: handoff-<run>-<slot>-<pid>.
func runOfGroup(name string) (run string, ok bool) {
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
func (g memoryGroup) sweep() {
	if g.dir == "" {
		return
	}
	all, err := os.ReadDir(g.dir)
	if err != nil {
		return
	}
	for _, d := range all {
		run, ours := runOfGroup(d.Name())
		if !ours {
			continue
		}
		info, err := d.Info()
		if err != nil || time.Since(info.ModTime()) < leftFor {
			continue
		}
		if _, err := os.Lstat("/dev/shm/handoff-" + run + ".lock"); errors.Is(err, fs.ErrNotExist) {
			os.Remove(filepath.Join(g.dir, d.Name())) // which fails while there is a process in it
		}
	}
}

// enter puts a process into the group.
func (g memoryGroup) enter(pid int) error {
	return os.WriteFile(filepath.Join(g.dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
}

// remove removes the group of a dead process: it may not be quite gone.
func (g memoryGroup) remove() {
	for wait := time.Millisecond; g.own && wait < time.Second; wait *= 2 {
		if err := os.Remove(g.dir); err == nil || errors.Is(err, fs.ErrNotExist) {
			return
		}
		time.Sleep(wait)
	}
}

// bound puts a ceiling on a new process: a cgroup of its own where that is
// allowed, else RLIMIT_DATA, which leaves mapped segments out.
func (p *Pool) bound(pid, slot int) (memoryGroup, error) {
	limit := p.opts.MemoryLimit
	if limit == 0 {
		return p.group, nil
	}
	err := errNoGroup
	if !p.opts.noGroups {
		var g memoryGroup
		if g, err = p.group.child(fmt.Sprintf("handoff-%s-%d-%d", p.segments.run.ID(), slot, pid), limit); err == nil {
			if err = g.enter(pid); err == nil {
				p.setMechanism("cgroup")
				return g, nil
			}
			g.remove()
		}
	}
	p.hooks.log(slog.LevelDebug, "no memory cgroup for a worker: RLIMIT_DATA instead", "error", err)
	p.setMechanism("rlimit")
	return p.group, limitData(pid, limit)
}

// oomKilled reports whether the kernel has killed a process of g for its memory
// that is not accounted for yet.
func (p *Pool) oomKilled(g memoryGroup) bool {
	n, ok := g.oomKills()
	if g.own || !ok {
		return n > 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n <= p.oomSeen {
		return false
	}
	p.oomSeen++
	return true
}

func limitData(pid int, limit int64) error {
	n := uint64(limit + dataSlack)
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: n, Max: n}, nil); err != nil {
		return fmt.Errorf("memory ceiling: %w", os.NewSyscallError("prlimit RLIMIT_DATA", err))
	}
	return nil
}

func (p *Pool) setMechanism(m string) {
	p.mu.Lock()
	p.stats.MemoryMechanism = m
	p.mu.Unlock()
}
