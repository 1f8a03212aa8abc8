package cores

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Load is what a process has used since it began, in nanoseconds.
type Load struct {
	CPU     int64 // on a core
	Faults  int64 // page faults, a count
	busiest map[int]int64
}

// CPUOf is what the threads of a process have used, in nanoseconds.
func CPUOf(pid int) (ns int64, err error) {
	var t unix.Timespec
	// The clock of all threads of another process, which clock_getcpuclockid(3) returns.
	if err := unix.ClockGettime(int32(^pid<<3|2), &t); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return t.Nano(), nil
}

// LoadOf reads the load of a process, of this one with os.Getpid(). Threads that have
// ended count in CPU alone.
func LoadOf(pid int) (l Load, err error) {
	if l.CPU, err = CPUOf(pid); err != nil {
		return l, err
	}
	stat, err := statFields(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return l, err
	}
	l.Faults = stat[statMinorFaults] + stat[statMajorFaults]
	tasks := fmt.Sprintf("/proc/%d/task", pid)
	dir, err := os.Open(tasks)
	if err != nil {
		return l, err
	}
	ids, err := dir.Readdirnames(-1)
	dir.Close()
	l.busiest = make(map[int]int64, len(ids))
	for _, id := range ids {
		b, err := os.ReadFile(tasks + "/" + id + "/schedstat")
		f := strings.Fields(string(b))
		if err != nil || len(f) < 1 { // it has ended, or the kernel keeps no such figures
			continue
		}
		tid, _ := strconv.Atoi(id)
		l.busiest[tid], _ = strconv.ParseInt(f[0], 10, 64)
	}
	return l, err
}

// Sub is the load since an earlier reading of the same process.
func (l Load) Sub(earlier Load) Load {
	d := Load{CPU: l.CPU - earlier.CPU, Faults: l.Faults - earlier.Faults, busiest: map[int]int64{}}
	for tid, ns := range l.busiest {
		d.busiest[tid] = ns - earlier.busiest[tid]
	}
	return d
}

// Add sums up two differences.
func (l Load) Add(m Load) Load {
	return Load{CPU: l.CPU + m.CPU, Faults: l.Faults + m.Faults}
}

// Core is where the thread that ran most last ran; -1 if it cannot be told.
func (l Load) Core(pid int) int {
	busiest, most := -1, int64(-1)
	for tid, ns := range l.busiest {
		if ns > most || ns == most && tid < busiest {
			busiest, most = tid, ns
		}
	}
	stat, err := statFields(fmt.Sprintf("/proc/%d/task/%d/stat", pid, busiest))
	if err != nil {
		return -1
	}
	return int(stat[statProcessor])
}

// Fields of /proc/PID/stat, counted from the one behind the name of the program, which
// is the third.
const (
	statMinorFaults = 10 - 3
	statMajorFaults = 12 - 3
	statProcessor   = 39 - 3
)

// statFields are the numbers of a stat file behind the name and the state; those that
// exceed an int64 are its largest.
func statFields(file string) ([]int64, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	_, rest, _ := strings.Cut(string(b[bytes.LastIndexByte(b, ')')+1:]), " ")
	var numbers []int64
	for f := range strings.FieldsSeq(rest) {
		n, _ := strconv.ParseInt(f, 10, 64)
		numbers = append(numbers, n)
	}
	if len(numbers) <= statProcessor {
		return nil, fmt.Errorf("%s has %d fields, expected more", file, len(numbers)+2)
	}
	return numbers, nil
}

// A Usage is what the cores that this process may run on have done since the system
// started, in nanoseconds of one core.
type Usage struct {
	Busy   int64 // for any program, and for the kernel
	Stolen int64 // the hypervisor gave them to others while there was work
	All    int64 // with what they were idle
}

// UsageOfCores reads it. The kernel counts in ticks, of 10 ms here.
func UsageOfCores() (u Usage, err error) {
	usable, err := Usable()
	if err != nil {
		return u, err
	}
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 9 || !strings.HasPrefix(f[0], "cpu") {
			continue
		}
		core, err := strconv.Atoi(f[0][len("cpu"):])
		if err != nil || !slices.Contains(usable, core) {
			continue
		}
		for i, text := range f[1:9] { // user, nice, system, idle, iowait, irq, softirq, steal; what follows is in these
			ticks, _ := strconv.ParseInt(text, 10, 64)
			ns := ticks * (1e9 / ticksPerSecond)
			u.All += ns
			switch i {
			case 3, 4:
			case 7:
				u.Stolen += ns
			default:
				u.Busy += ns
			}
		}
	}
	if u.All == 0 {
		return u, errors.New("/proc/stat has no lines for the cores of this process")
	}
	return u, nil
}

// ticksPerSecond is what the kernel reports in to programs, on every architecture.
const ticksPerSecond = 100

// How two cores lie to each other.
const (
	SameCore  = "same core" // also two threads of one core
	SameCache = "same cache"
	Other     = "other"
)

// Apart says how two logical cores lie to each other; "" if the kernel does not.
func Apart(a, b int) string {
	if a < 0 || b < 0 {
		return ""
	}
	if a == b {
		return SameCore
	}
	dir := fmt.Sprintf("/sys/devices/system/cpu/cpu%d/", a)
	siblings, err := os.ReadFile(dir + "topology/thread_siblings_list")
	if err != nil {
		return ""
	}
	if inList(string(siblings), b) {
		return SameCore
	}
	// The cores' own caches come first and the one that most cores share last.
	for i := 0; ; i++ {
		shared, err := os.ReadFile(fmt.Sprintf("%scache/index%d/shared_cpu_list", dir, i))
		if err != nil {
			return Other
		}
		if inList(string(shared), b) {
			return SameCache
		}
	}
}

// inList reports whether a list such as "0-3,8" has n.
func inList(list string, n int) bool {
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, isRange := strings.Cut(part, "-")
		low, err := strconv.Atoi(first)
		high := low
		if isRange && err == nil {
			high, err = strconv.Atoi(last)
		}
		if err == nil && low <= n && n <= high {
			return true
		}
	}
	return false
}
