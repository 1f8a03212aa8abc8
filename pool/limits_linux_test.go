package pool

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/shm"
)

type limits struct {
	PID, Procs int
	Memory     int64
	Cores      string // as fmt prints their numbers
}

// coresOfProcess are the cores of this process, if its threads agree.
func coresOfProcess() (string, error) {
	threads, err := filepath.Glob("/proc/self/task/*")
	cores := ""
	for _, thread := range threads {
		id, _ := strconv.Atoi(filepath.Base(thread))
		switch ids, err := coresOfThread(id); {
		case errors.Is(err, unix.ESRCH): // it has ended
		case err != nil:
			return "", err
		case cores == "":
			cores = fmt.Sprint(ids)
		case cores != fmt.Sprint(ids):
			return "", fmt.Errorf("a thread has cores %v, another %s", ids, cores)
		}
	}
	return cores, err
}

func coresOfThread(id int) (ids []int, err error) {
	var set unix.CPUSet
	err = unix.SchedGetaffinity(id, &set)
	for core := range 1024 {
		if set.IsSet(core) {
			ids = append(ids, core)
		}
	}
	return ids, err
}

type meetIn struct {
	Dir string
	All int
}

// tellLimits returns when All tasks run, each in a worker of its own.
var tellLimits = Func("test.tellLimits", func(t *Task, in meetIn) (limits, error) {
	if err := os.WriteFile(filepath.Join(in.Dir, strconv.Itoa(os.Getpid())), nil, 0o600); err != nil {
		return limits{}, err
	}
	for t.Context().Err() == nil {
		if here, err := os.ReadDir(in.Dir); err != nil {
			return limits{}, err
		} else if len(here) == in.All {
			cores, err := coresOfProcess()
			return limits{os.Getpid(), runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1), cores}, err
		}
		time.Sleep(time.Millisecond)
	}
	return limits{}, t.Context().Err()
})

// limitsOf asks every worker of a pool.
func limitsOf(p *Pool) (all []limits, err error) {
	dir, err := os.MkdirTemp("", "limits")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var futures []Future[limits]
	for range p.opts.Workers {
		f, err := tellLimits.Submit(background(), p, meetIn{dir, p.opts.Workers})
		if err != nil {
			return nil, err
		}
		futures = append(futures, f)
	}
	for _, f := range futures {
		l, err := f.Wait(background())
		if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
	return all, nil
}

func requireLimits(t *testing.T, p *Pool, procs int, memory int64, cores ...string) (pids []int) {
	t.Helper()
	got, err := limitsOf(p)
	require.NoError(t, err)
	var want []limits
	for i := range p.opts.Workers {
		want = append(want, limits{0, procs, memory, cores[i%len(cores)]})
		pids = append(pids, got[i].PID)
		got[i].PID = 0
	}
	require.ElementsMatch(t, want, got)
	return pids
}

// setMemoryLimit is what GOMEMLIMIT of the supervisor does at its start. It is
// less than any limit that this machine may have.
func setMemoryLimit(t *testing.T) int64 {
	const limit = 256 << 20
	before := debug.SetMemoryLimit(limit)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	return limit
}

func TestWorkerLimits(t *testing.T) {
	here, err := coresOfProcess()
	require.NoError(t, err)
	usable := min(runtime.GOMAXPROCS(0), runtime.NumCPU())
	machine, err := shm.Inspect()
	require.NoError(t, err)
	unlimited := len(machine.Memory) == 0 && debug.SetMemoryLimit(-1) == math.MaxInt64

	for _, workers := range []int{1, 2, 2*usable + 1} {
		t.Run(fmt.Sprintf("defaults/workers=%d", workers), func(t *testing.T) {
			if unlimited {
				requireLimits(t, newPool(t, &Options{Workers: workers}), max(usable/workers, 1), math.MaxInt64, here)
			}
			limit := setMemoryLimit(t)
			requireLimits(t, newPool(t, &Options{Workers: workers}), max(usable/workers, 1), max(limit/2/int64(workers), 16<<20), here)
		})
	}

	// Its environment says what the supervisor is, and no worker.
	t.Setenv("GOMAXPROCS", "7")
	t.Setenv("GOMEMLIMIT", "77MiB")
	if unlimited { // as after debug.SetMemoryLimit
		requireLimits(t, newPool(t, &Options{Workers: 1}), usable, math.MaxInt64, here)
	}
	share := setMemoryLimit(t) / 4
	for name, c := range map[string]struct {
		opts   Options
		procs  int
		memory int64
	}{
		"supervisor's environment": {Options{}, max(usable/2, 1), share},
		"given":                    {Options{Runtime: Runtime{Procs: 3, Memory: 100 << 20}}, 3, 100 << 20},
		"Env sets":                 {Options{Runtime: Runtime{Procs: 3, Memory: 100 << 20}, Env: []string{"GOMAXPROCS=5", "GOMEMLIMIT=off"}}, 5, math.MaxInt64},
		"Env sets one":             {Options{Env: []string{"GOMAXPROCS=5"}}, 5, share},
		"Env passes on":            {Options{Env: []string{"GOMAXPROCS", "GOMEMLIMIT"}}, 7, 77 << 20},
		"goroutines":               {Options{Isolation: Goroutine, Workers: 1}, runtime.GOMAXPROCS(0), 4 * share},
	} {
		t.Run(name, func(t *testing.T) {
			if c.opts.Workers == 0 {
				c.opts.Workers = 2
			}
			requireLimits(t, newPool(t, &c.opts), c.procs, c.memory, here)
		})
	}
}

// twoCores are the first two that this process may use.
func twoCores(t *testing.T) []int {
	ids, err := coresOfThread(os.Getpid())
	require.NoError(t, err)
	if len(ids) < 2 {
		t.Skip("not in CI: this machine has a single core")
	}
	return ids[:2]
}

func TestAffinity(t *testing.T) {
	two := twoCores(t)
	first, second := fmt.Sprint(two[:1]), fmt.Sprint(two[1:])
	limit := setMemoryLimit(t)
	p := newPool(t, &Options{Workers: 2, Runtime: Runtime{Procs: 1, Affinity: true}})
	pids := requireLimits(t, p, 1, limit/4, first, second)

	for _, pid := range pids {
		require.NoError(t, unix.Kill(pid, unix.SIGKILL))
	}
	eventually(t, func() bool { return p.Stats().Deaths[ExitSignal] == 2 }, "they live on")
	for _, pid := range requireLimits(t, p, 1, limit/4, first, second) {
		require.NotContains(t, pids, pid, "not respawned")
	}

	p = newPool(t, &Options{Workers: 1, Runtime: Runtime{Procs: 2, Affinity: true}})
	requireLimits(t, p, 2, limit/2, fmt.Sprint(two))

	// More than there are.
	here, err := coresOfProcess()
	require.NoError(t, err, "the supervisor's own threads")
	p = newPool(t, &Options{Workers: 1, Runtime: Runtime{Procs: runtime.NumCPU() + 1, Affinity: true}})
	requireLimits(t, p, runtime.NumCPU()+1, limit/2, here)
}

// The thread that starts children is as it was, whatever came of the start.
func TestPinnedStart(t *testing.T) {
	second := twoCores(t)[1]
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := coresOfThread(0)
	require.NoError(t, err)
	failure := errors.New("no start")
	var during []int
	got := proc.Cores{Skip: 1, Most: 1}.Run(func() error {
		during, _ = coresOfThread(0)
		return failure
	})
	require.Equal(t, failure, got)
	require.Equal(t, []int{second}, during)
	after, err := coresOfThread(0)
	require.NoError(t, err)
	require.Equal(t, before, after)

	got = proc.Cores{Skip: 1, Most: 1}.Run(func() error { return nil })
	require.NoError(t, got)
}

func init() {
	// limits is a supervisor in a memory cgroup, "" for the one it is in.
	programs["limits"] = func(args []string) {
		if args[0] != "" {
			if err := os.WriteFile(args[0]+"/cgroup.procs", []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
		for _, opts := range []*Options{{Runtime: Runtime{Affinity: true}}, {Workers: 2}} {
			p, err := New(background(), opts)
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			all, err := limitsOf(p)
			for _, l := range all {
				fmt.Println(l.Procs, l.Memory, l.Cores)
			}
			if err := errors.Join(err, p.Close(background())); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
		}
	}
}

// A supervisor that may use one core, not the first, and has GOMEMLIMIT.
func TestLimitsOfPinnedSupervisor(t *testing.T) {
	second := twoCores(t)[1]
	cmd := program("limits", "")
	cmd.Env = append(cmd.Env, "GOMEMLIMIT=64MiB", "GOMAXPROCS=2")
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	runtime.LockOSThread()
	err := proc.Cores{Skip: 1, Most: 1}.Run(cmd.Start)
	runtime.UnlockOSThread()
	require.NoError(t, err)
	require.NoError(t, cmd.Wait(), out.String())
	require.Equal(t, fmt.Sprintf("1 %d [%d]\n", 32<<20, second)+strings.Repeat(fmt.Sprintf("1 %d [%d]\n", 16<<20, second), 2), out.String())
}

// A supervisor in a memory cgroup: half of its limit is for the workers' heaps.
func TestLimitsInCgroup(t *testing.T) {
	const limit = 512 << 20
	out, err := program("limits", memoryCgroup(t, limit)).CombinedOutput()
	if err != nil && strings.Contains(string(out), "cgroup.procs") {
		t.Skipf("not in CI: no process can be put into a cgroup here: %s", out)
	}
	require.NoError(t, err, string(out))
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Greater(t, len(lines), 2, string(out))
	byDefault, two := lines[:len(lines)-2], lines[len(lines)-2:]
	for _, line := range byDefault {
		require.Equal(t, strconv.Itoa(max(limit/2/len(byDefault), 16<<20)), strings.Fields(line)[1], string(out))
	}
	for _, line := range two {
		require.Equal(t, strconv.Itoa(limit/4), strings.Fields(line)[1], string(out))
	}
}

// memoryCgroup makes a memory cgroup with a limit below the one we are in.
func memoryCgroup(t *testing.T, limit int) string {
	parent, file := "/sys/fs/cgroup", "memory.max"
	if _, err := os.Stat(parent + "/cgroup.controllers"); err != nil {
		parent, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		b, _ := os.ReadFile("/proc/self/cgroup")
		for line := range strings.Lines(string(b)) {
			if part := strings.SplitN(strings.TrimSpace(line), ":", 3); len(part) == 3 && part[1] == "memory" {
				parent += part[2]
			}
		}
	}
	d := fmt.Sprintf("%s/handoff-pool-test-%d", parent, os.Getpid())
	if err := os.Mkdir(d, 0o755); err != nil {
		t.Skipf("not in CI: no memory cgroup can be made here: %v", err)
	}
	t.Cleanup(func() {
		for range 100 { // the last process may not be quite gone
			if os.Remove(d) == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Errorf("%s is left", d)
	})
	if err := os.WriteFile(d+"/"+file, []byte(strconv.Itoa(limit)), 0); err != nil {
		t.Skipf("not in CI: no memory cgroup with a limit can be made here: %v", err)
	}
	return d
}

// What a task starts is pinned with its worker, and bound as it is.
func TestLimitsAreInherited(t *testing.T) {
	two := twoCores(t)
	p := newPool(t, &Options{Workers: 2, Runtime: Runtime{Procs: 1, Memory: 64 << 20, Affinity: true}})
	f, err := childLimits.Submit(background(), p, struct{}{})
	require.NoError(t, err)
	got, err := f.Wait(background())
	require.NoError(t, err)
	require.Contains(t, []string{fmt.Sprintf("1 %d %d", 64<<20, two[0]), fmt.Sprintf("1 %d %d", 64<<20, two[1])}, got)
}

var childLimits = Func("test.childLimits", func(t *Task, _ struct{}) (string, error) {
	out, err := exec.CommandContext(t.Context(), "sh", "-c",
		`echo $GOMAXPROCS $GOMEMLIMIT $(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)`).Output()
	return strings.TrimSpace(string(out)), err
})
