package chaos

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example.com/handoff/shm"
)

// residueGrace is within how long what a killed run has started is to be gone.
const residueGrace = 2 * time.Second

// lookForResidue notes what the runs of a round have left: processes, segments and
// memory cgroups. Segments and cgroups of a killed run are there until another run, or
// `handoff shm gc`, removes them; a last run that had nothing to do is none, so what
// can be removed by then is no residue.
func (c *run) lookForResidue(ctx context.Context) {
	var left []string
	for end := time.Now().Add(residueGrace); ; time.Sleep(20 * time.Millisecond) {
		left = nil
		for _, p := range c.processes() {
			left = append(left, fmt.Sprintf("process %d of the run with pid %d", p.PID, p.Session))
		}
		alive, _ := c.segments()
		if left = append(left, alive...); len(left) == 0 || time.Now().After(end) || ctx.Err() != nil {
			break
		}
	}
	if _, orphans := c.segments(); len(orphans) > 0 {
		c.Report.Swept += len(orphans)
		shm.GC(ctx)
		_, orphans = c.segments()
		left = append(left, orphans...)
	}
	left = append(left, c.sweepGroups()...)
	c.Report.Residue = append(c.Report.Residue, left...)
	if n := len(c.Report.Residue); n > 0 {
		c.Report.problem(c.round, "the runs have left %d things, the first is %s", n, c.Report.Residue[0])
	}
}

// processes are those that our runs have started and that live.
func (c *run) processes() (found []Process) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, err := ReadProcess(pid); err == nil && c.isOurs(p) {
			found = append(found, p)
		}
	}
	return found
}

// isOurs: it is in the session of one of our runs and is this program. The number of
// a session is not given to a new one as long as there are processes in it.
func (c *run) isOurs(p Process) bool {
	if p.Dead || !c.ours[p.Session] {
		return false
	}
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return false
	}
	exe, err := os.Stat(fmt.Sprintf("/proc/%d/exe", p.PID))
	return err == nil && os.SameFile(self, exe)
}

// segments lists the files in /dev/shm that belong to runs of this test, with their locks.
func (c *run) segments() (alive, orphans []string) {
	runs, _ := shm.List()
	for _, r := range runs {
		if !c.ours[holderOf(r)] || !r.Since.IsZero() && r.Since.Before(c.began.Add(-time.Second)) {
			continue
		}
		names := []string{"/dev/shm/handoff-" + r.ID + ".lock"}
		for _, s := range r.Segments {
			names = append(names, "/dev/shm/"+s.Name)
		}
		if r.State == shm.Alive {
			alive = append(alive, names...)
		} else {
			orphans = append(orphans, names...)
		}
	}
	return alive, orphans
}

// holderOf is the pid with which a run says whose it is.
func holderOf(r shm.RunInfo) int {
	word, _, _ := strings.Cut(r.Holder, " ")
	pid, _ := strconv.Atoi(word)
	return pid
}

// noteGroups notes the names under which a run that was killed may have memory
// cgroups.
func (c *run) noteGroups(s *supervisor) {
	if !c.Job.Groups || s.killedBy() == 0 {
		return
	}
	runs, _ := shm.List()
	for _, r := range runs {
		if holderOf(r) == s.pid() {
			c.groups[r.ID] = true
		}
	}
}

// sweepGroups removes the memory cgroups of killed runs, as a run would do that comes
// ten seconds later, and returns those that cannot be removed.
func (c *run) sweepGroups() (left []string) {
	if len(c.groups) == 0 {
		return nil
	}
	filepath.WalkDir("/sys/fs/cgroup", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		part := strings.Split(d.Name(), "-")
		if len(part) == 4 && part[0] == "handoff" && c.groups[part[1]] {
			if os.Remove(name) != nil {
				left = append(left, name)
			}
			return fs.SkipDir
		}
		return nil
	})
	return left
}

// endAll ends what our runs have left behind, whatever has happened.
func (c *run) endAll() {
	for _, p := range c.processes() {
		if fd, err := openProcess(p.PID, c.isOurs); err == nil {
			unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			unix.Close(fd)
		}
	}
	for end := time.Now().Add(residueGrace); len(c.processes()) > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	if alive, orphans := c.segments(); len(alive)+len(orphans) > 0 {
		ctx, cancel := context.WithTimeout(context.Background(), residueGrace)
		defer cancel()
		shm.GC(ctx)
	}
	c.sweepGroups()
}
