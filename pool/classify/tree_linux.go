package classify

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// treeInterval is how often a command's processes are looked at. One look reads two
// small files for each of their threads, some 10 µs.
const treeInterval = 20 * time.Millisecond

// A commandTree is a command and its descendants, as far as they are seen while they
// run: how long their threads were ready to run without a core, which the kernel keeps
// for a living thread only, and the CPU time of those that nobody waits for, which is
// in nobody's usage.
type commandTree struct {
	root  int
	procs map[int]*seenProcess
	looks int
	busy  int // of them: more threads were ready to run than there are cores
}

type seenProcess struct {
	threads map[string]schedTimes
	orphan  bool // its parent has ended
	gone    bool
}

type schedTimes struct{ cpu, wait time.Duration }

func watchTree(root int) *commandTree {
	t := &commandTree{root: root, procs: map[int]*seenProcess{}}
	t.know(root)
	return t
}

func (t *commandTree) know(pid int) {
	if t.procs[pid] == nil {
		t.procs[pid] = &seenProcess{threads: map[string]schedTimes{}}
	}
}

// watch looks at the tree until stop is closed.
func (t *commandTree) watch(stop <-chan struct{}) {
	// Short commands are looked at more often.
	for pause := time.Millisecond; ; pause = min(2*pause, treeInterval) {
		select {
		case <-stop:
			return
		case <-time.After(pause):
		}
		t.look()
		if t.looks++; moreReadyThanCores() {
			t.busy++
		}
	}
}

// end looks for the last time, when the command has exited and is not reaped, also at
// what is in its process group and was not seen before.
func (t *commandTree) end() {
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range all {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if _, group, ok := readParent(pid); ok && group == t.root {
			t.know(pid)
		}
	}
	t.look()
}

// look reads the times of the processes that are known and of their descendants.
func (t *commandTree) look() {
	for queue := slices.Collect(maps.Keys(t.procs)); len(queue) > 0; queue = queue[1:] {
		pid := queue[0]
		p := t.procs[pid]
		parent, _, alive := readParent(pid)
		if p.gone = p.gone || !alive; p.gone {
			continue
		}
		p.orphan = pid != t.root && t.procs[parent] == nil
		tasks := "/proc/" + strconv.Itoa(pid) + "/task/"
		threads, _ := os.ReadDir(tasks)
		for _, thread := range threads {
			if times, ok := readSchedTimes(tasks + thread.Name() + "/schedstat"); ok {
				p.threads[thread.Name()] = times
			}
			children, _ := os.ReadFile(tasks + thread.Name() + "/children")
			for _, child := range strings.Fields(string(children)) {
				if pid, err := strconv.Atoi(child); err == nil && t.procs[pid] == nil {
					t.know(pid)
					queue = append(queue, pid)
				}
			}
		}
	}
}

// add completes what the kernel says of the command and what was waited for.
func (t *commandTree) add(s *sample) {
	var waitedFor, orphans schedTimes
	for _, p := range t.procs {
		to := &waitedFor
		if p.orphan {
			to = &orphans
		}
		for _, times := range p.threads {
			to.cpu += times.cpu
			to.wait += times.wait
		}
	}
	// What was seen of a process is less than its all. If it is most of it, the rest
	// has waited as long for the CPU time that it had.
	s.own.wait = waitedFor.wait
	if missed := s.own.cpu - waitedFor.cpu; missed > waitedFor.cpu/4 {
		s.waitUnknown = missed
		if t.busy <= t.looks/2 {
			s.waitUnknown = 0 // there was a core for whoever was ready
		}
	} else if missed > 0 && waitedFor.cpu > 0 {
		s.own.wait += time.Duration(float64(waitedFor.wait) * float64(missed) / float64(waitedFor.cpu))
	}
	s.orphans = orphans.cpu
	s.own.cpu = max(s.own.cpu, waitedFor.cpu) + orphans.cpu
	s.own.wait += orphans.wait
}

// readParent returns the parent and the process group of a process; false if there is no
// such process.
func readParent(pid int) (parent, group int, ok bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	// PID (NAME) STATE PARENT GROUP …, and a name may hold anything.
	f := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if err != nil || len(f) < 3 {
		return 0, 0, false
	}
	parent, err = strconv.Atoi(string(f[1]))
	if err != nil {
		return 0, 0, false
	}
	group, err = strconv.Atoi(string(f[2]))
	return parent, group, err == nil
}

// readSchedTimes reads a schedstat file: the CPU time of a thread, and how long it was
// ready to run without a core. It is false where the kernel keeps none.
func readSchedTimes(file string) (schedTimes, bool) {
	text, err := os.ReadFile(file)
	f := strings.Fields(string(text))
	if err != nil || len(f) < 2 {
		return schedTimes{}, false
	}
	cpu, errCPU := strconv.ParseInt(f[0], 10, 64)
	wait, errWait := strconv.ParseInt(f[1], 10, 64)
	return schedTimes{time.Duration(cpu), time.Duration(wait)}, errCPU == nil && errWait == nil
}

// moreReadyThanCores reports whether more threads of this machine run or are ready to
// than it has cores.
func moreReadyThanCores() bool {
	text, _ := os.ReadFile("/proc/loadavg")
	f := strings.Fields(string(text))
	if len(f) < 4 {
		return false
	}
	ready, _, _ := strings.Cut(f[3], "/")
	n, _ := strconv.Atoi(ready)
	return n-1 > runtime.NumCPU() // less this one, which reads
}
