package pool

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"math"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// MaxWorkers is the most workers of a pool.
const MaxWorkers = 4096

// Options configures a pool. The zero value and nil work; New copies it.
type Options struct {
	// Workers is the number of worker processes, at most [MaxWorkers]. 0: as many as usable
	// cores (GOMAXPROCS, which knows affinity and cgroup quota, and at most NumCPU).
	Workers int
	// Isolation says what a worker is. Zero: Process.
	Isolation Isolation
	// MaxPending bounds the tasks that are submitted and not yet waited for;
	// beyond it Submit returns ErrFull. 0: 65536.
	MaxPending int
	// Attempts bounds how often a task is started when workers die under it, at
	// most 255. Deaths for want of memory while other workers run do not count, up to
	// 16 of them: fewer run after each. With 1 a task is started once, whatever its
	// worker died of. 0: 3.
	Attempts int
	// TaskTimeout is how long a task, or a block of a range, may run before its
	// worker is killed: that attempt is lost ([ExitDeadline]). The first blocks of a
	// range are large, a third of it divided by the workers; one that takes too long is
	// tried again whole, and in halves if it takes too long again. For one of several
	// indices this does not count against Attempts. 0: for ever.
	TaskTimeout time.Duration
	// MemoryLimit is a ceiling in bytes for the memory of each worker process: of a
	// memory cgroup of its own where we may make one, which counts the arrays that
	// it touches first too; else by RLIMIT_DATA, for private memory alone, and
	// 64 MiB more. [Stats] says which. A worker that goes past it is killed, or dies
	// of Go's own error: [ExitOOM]. Its GOMEMLIMIT is nine tenths of it unless
	// Runtime.Memory says another. At least [MinMemoryLimit]; 0: none.
	MemoryLimit int64
	// Env is what workers get of the environment, as it is when New is called, beside PATH, LD_LIBRARY_PATH,
	// HOME, USER, TZ, TMPDIR, LANG, LC_*, OMP_* and GO*: "KEY" passes the variable
	// on, "KEY=value" sets it. GOMAXPROCS and GOMEMLIMIT are those of Runtime,
	// not the supervisor's, unless they are named here: this wins.
	Env []string
	// Output gets what worker processes write to stdout and stderr, line by line
	// behind "worker N: ", control bytes escaped, lines cut at 300 bytes. It is
	// written to by one goroutine at a time, and may call any method of the pool. A worker
	// that writes more than Output takes waits, and its task with it; when a worker has
	// ended, Output has half a second for what is left of it. nil: only the tail is kept,
	// for the [WorkerExitError] of a worker that dies.
	Output io.Writer
	// Logger hears of starts and deaths, as OnEvent does. nil: silent.
	Logger *slog.Logger
	// OnEvent is called with what happens to workers.
	//
	// What holds for it, for OnAttempt and for Logger's handler: it is called once at a
	// time, in order, from a goroutine of its own, and may call any method of the pool,
	// Close included. Nobody waits for it but [Pool.Close]. No call is dropped: those for
	// which it is too slow are kept in memory, and [Stats].Hooks counts them.
	OnEvent func(Event)
	// OnAttempt is called with each attempt of each task when it has ended: done,
	// failed, or lost to a death, exactly as many as [Stats].Attempts counts, in the order
	// in which the pool gets to know them: an attempt that a death has ended comes when it
	// is known of what, perhaps after the next one of that task. It may come before Submit
	// has returned the [Future] whose TaskNumber it names. A task that no worker has begun has
	// no attempt. Of a range, each block is one. Each attempt costs some microseconds of
	// the worker's to be measured. nil: nothing is measured.
	OnAttempt func(Attempt)

	Timeouts    Timeouts    // how long a worker may take for what is not a task
	Replacement Replacement // when a worker makes room for another
	Runtime     Runtime     // what the Go run-time of a worker process may use
	Arenas      Arenas      // the shared memory
}

// Timeouts bounds what a worker does beside running its task.
type Timeouts struct {
	// Start is how long a new worker may take to say hello, its [Init] functions
	// included. 0: 10 s.
	Start time.Duration
	// Close is how long Close lets running tasks finish before it
	// terminates their workers, and how long a worker that is replaced may take to end
	// after its last task. 0: 5 s.
	Close time.Duration
	// Cancel is how long a task may go on after [Future.Cancel] has ended its
	// context before its worker is killed. 0: 5 s.
	Cancel time.Duration
	// Stop is how long a worker that has a task may be stopped, by SIGSTOP or
	// a debugger, or leave the next one lying though it runs none, before it is killed
	// ([ExitStopped]); or sleep though it has begun one, as one does that has written
	// over the memory that it shares with the pool ([ExitProtocol]). 0: 10 s.
	Stop time.Duration
}

// Replacement says when a worker makes room for another, and what waits for that.
type Replacement struct {
	// Spares is the number of workers that are started and wait until another dies:
	// its task then goes on at once. At most [MaxWorkers]. 0: none.
	Spares int
	// AfterTasks is after how many tasks a worker is replaced by a new one,
	// between two tasks. Of a range the blocks count, and it ends its share first.
	// 0: never.
	AfterTasks int64
	// AboveMemory is with how many bytes of private memory a worker is replaced by
	// a new one, when it has finished its task. It is looked at once a second. 0: never.
	AboveMemory int64
	// KeepWidth turns off that fewer workers run after deaths for want of memory.
	KeepWidth bool
}

// Runtime bounds the Go run-time of each worker process.
type Runtime struct {
	// Procs is its GOMAXPROCS, at most 4096. 0: usable cores, as for Options.Workers,
	// divided by Workers and rounded down, at least 1.
	Procs int
	// Memory is its GOMEMLIMIT, in bytes: a soft limit for what the run-time holds, heap
	// and stacks; mapped segments do not count. 0: half of the supervisor's limit
	// divided by Workers, at least 16 MiB. The supervisor's limit is the least of its memory
	// cgroups' and its own GOMEMLIMIT (debug.SetMemoryLimit) when New is called; where
	// there is none, workers have none.
	Memory int64
	// Affinity pins each worker process to Procs of the cores that the
	// supervisor may use, worker after worker in the order of the cores and then
	// from the first again; what its tasks start is pinned with it. Other programs
	// are not asked: leave it off where they take cores the same way.
	Affinity bool
}

// Arenas sizes the pool's shared memory. For each arena, nil is the defaults of shm.
type Arenas struct {
	// Inputs is for [Pool.Arena], Outputs for [Pool.Outputs], and Results for the arena that
	// each worker has for its results: there MaxBytes bounds one worker.
	Inputs, Outputs, Results *shm.ArenaOptions
	// Anonymous makes these arenas of memfds, passed on by descriptor, instead of
	// named segments: no program can attach to them by name or truncate them,
	// what workers read is sealed against writing, the kernel frees them with the
	// last process, and they do not count against /dev/shm. Each takes one
	// descriptor here. Segments made with [Pool.Run] are what the caller made.
	Anonymous bool
}

// Isolation says what stands between a task and the rest of the program.
type Isolation string

const (
	// Process: a worker is a process of its own, and a crash costs one attempt.
	Process Isolation = "process"
	// Goroutine: a worker is a goroutine of this program, for comparison and for trusted
	// code. Nothing can be killed: a crash ends the program, and a task that was cancelled
	// runs until it returns. New refuses what would promise more: TaskTimeout, MemoryLimit,
	// Runtime, Spares and AboveMemory. Env, Output and Timeouts.Stop mean nothing.
	Goroutine Isolation = "goroutine"
)

// needProcesses is an error if o asks for what only worker processes can be held to.
func (o *Options) needProcesses() error {
	if o == nil || o.Isolation != Goroutine {
		return nil
	}
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"TaskTimeout", o.TaskTimeout > 0}, {"MemoryLimit", o.MemoryLimit > 0},
		{"Runtime", o.Runtime.Procs > 0 || o.Runtime.Memory > 0 || o.Runtime.Affinity},
		{"Replacement.Spares", o.Replacement.Spares > 0}, {"Replacement.AboveMemory", o.Replacement.AboveMemory > 0},
	} {
		if f.set {
			return fmt.Errorf("pool: Options.%s needs worker processes: set Isolation to %q, or leave it out", f.name, Process)
		}
	}
	return nil
}

// withDefaults returns a checked copy of o, with defaults in the place of zeros.
func (o *Options) withDefaults() (c Options, err error) {
	if o != nil {
		c = *o
	}
	if err := c.check(); err != nil {
		return c, err
	}
	c.Workers = cmp.Or(c.Workers, usableCores())
	c.Isolation = cmp.Or(c.Isolation, Process)
	c.MaxPending = cmp.Or(c.MaxPending, 65536)
	c.Attempts = cmp.Or(c.Attempts, 3)
	t := &c.Timeouts
	t.Start, t.Close = cmp.Or(t.Start, 10*time.Second), cmp.Or(t.Close, 5*time.Second)
	t.Cancel, t.Stop = cmp.Or(t.Cancel, 5*time.Second), cmp.Or(t.Stop, 10*time.Second)
	if c.Isolation == Process {
		c.limitWorkers()
	}
	if c.Arenas.Results == nil {
		c.Arenas.Results = &shm.ArenaOptions{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// check returns what is wrong with the options, for any isolation.
func (o *Options) check() error {
	for _, f := range []struct {
		name        string
		value, most int64
	}{
		{"Workers", int64(o.Workers), MaxWorkers}, {"MaxPending", int64(o.MaxPending), math.MaxInt},
		{"Attempts", int64(o.Attempts), wire.MaxAttempts}, {"MemoryLimit", o.MemoryLimit, math.MaxInt64},
		{"TaskTimeout", int64(o.TaskTimeout), math.MaxInt64}, {"Timeouts.Start", int64(o.Timeouts.Start), math.MaxInt64},
		{"Timeouts.Close", int64(o.Timeouts.Close), math.MaxInt64}, {"Timeouts.Cancel", int64(o.Timeouts.Cancel), math.MaxInt64},
		{"Timeouts.Stop", int64(o.Timeouts.Stop), math.MaxInt64}, {"Replacement.Spares", int64(o.Replacement.Spares), MaxWorkers},
		{"Replacement.AfterTasks", o.Replacement.AfterTasks, math.MaxInt64}, {"Replacement.AboveMemory", o.Replacement.AboveMemory, math.MaxInt64},
		{"Runtime.Procs", int64(o.Runtime.Procs), maxWorkerProcs}, {"Runtime.Memory", o.Runtime.Memory, math.MaxInt64},
	} {
		if f.value < 0 {
			return fmt.Errorf("pool: Options.%s is %d, expected 0 or more", f.name, f.value)
		}
		if f.value > f.most {
			return fmt.Errorf("pool: Options.%s is %d, at most %d", f.name, f.value, f.most)
		}
	}
	for _, a := range []*shm.ArenaOptions{o.Arenas.Inputs, o.Arenas.Outputs, o.Arenas.Results} {
		if a != nil && (a.SegmentBytes < 0 || a.MaxBytes < 0) {
			return fmt.Errorf("pool: negative arena option in %+v", *a)
		}
	}
	for _, kv := range o.Env {
		if strings.ContainsRune(kv, 0) {
			return fmt.Errorf("pool: NUL in the variable %q", kv)
		}
	}
	if o.Isolation != "" && o.Isolation != Process && o.Isolation != Goroutine {
		return fmt.Errorf("pool: unknown isolation %q, expected %q or %q", o.Isolation, Process, Goroutine)
	}
	if m := o.MemoryLimit; m > 0 && m < MinMemoryLimit {
		return fmt.Errorf("pool: a memory limit of %d bytes, at least %d: a Go process needs as much before its first task", m, MinMemoryLimit)
	}
	return nil
}

// MinMemoryLimit is the least [Options].MemoryLimit, in bytes: a Go process needs as
// much before its first task.
const MinMemoryLimit = 16 << 20

const (
	maxWorkerProcs  = 4096
	minWorkerMemory = 16 << 20 // the runtime alone takes 6 MiB, and near its limit collects all the time
)

// usableCores is how many cores this process can use at a time.
func usableCores() int { return min(runtime.GOMAXPROCS(0), runtime.NumCPU()) }

// limitWorkers sets the defaults of Runtime, once for all incarnations. Workers has its.
func (c *Options) limitWorkers() {
	r := &c.Runtime
	r.Procs = cmp.Or(r.Procs, max(usableCores()/c.Workers, 1))
	r.Memory = cmp.Or(r.Memory, c.MemoryLimit/10*9)
	if r.Memory == 0 {
		here, _ := shm.Inspect() // its error is about /dev/shm
		r.Memory = shareMemory(debug.SetMemoryLimit(-1), here.Memory, c.Workers)
	}
}

// shareMemory is what each worker gets of half the supervisor's memory limit; 0
// if there is no limit. The other half is for the supervisor itself, mapped
// segments and what is not Go's.
func shareMemory(own int64, groups []shm.Limit, workers int) int64 {
	for _, l := range groups {
		own = min(own, l.Most)
	}
	if own == math.MaxInt64 {
		return 0
	}
	return max(own/2/int64(workers), minWorkerMemory)
}

// workerLimits are the limits as variables of a worker's environment.
func (c *Options) workerLimits() []string {
	env := []string{"GOMAXPROCS=" + strconv.Itoa(c.Runtime.Procs)}
	if c.Runtime.Memory > 0 {
		env = append(env, "GOMEMLIMIT="+strconv.FormatInt(c.Runtime.Memory, 10))
	}
	return env
}

// coresOf are the cores that a worker is pinned to, if it is.
func (c *Options) coresOf(slot int) proc.Cores {
	if !c.Runtime.Affinity {
		return proc.Cores{}
	}
	return proc.Cores{Skip: slot * c.Runtime.Procs, Most: c.Runtime.Procs}
}
