package pool

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// MaxWorkers is the most workers of a pool.
const MaxWorkers = 4096

// Options configures a pool. The zero value and nil work; New copies it.
type Options struct {
	// Workers is the number of worker processes, at most [MaxWorkers]. 0: as many as usable cores
	// (GOMAXPROCS, which knows affinity and cgroup quota, and at most NumCPU).
	Workers int
	// WorkerProcs is the GOMAXPROCS of each worker process, at most 4096. 0: usable
	// cores, as for Workers, divided by Workers and rounded down, at least 1.
	WorkerProcs int
	// WorkerMemory is the GOMEMLIMIT of each worker process, in bytes: a soft limit
	// for what its Go runtime holds, heap and stacks; mapped segments do not count.
	// 0: half of the supervisor's limit divided by Workers, at least 16 MiB. Its limit
	// is the least of its memory cgroups' and its own GOMEMLIMIT (debug.SetMemoryLimit)
	// when New is called; where there is none, workers have none.
	WorkerMemory int64
	// Affinity pins each worker process to WorkerProcs of the cores that the
	// supervisor may use, worker after worker in the order of the cores and then
	// from the first again; what its tasks start is pinned with it. Other programs
	// are not asked: leave it off where they take cores the same way.
	Affinity bool
	// Isolation says what a worker is. Zero: Process. With Goroutine WorkerProcs,
	// WorkerMemory, Affinity, MemoryLimit, Spares and what kills a worker do nothing.
	Isolation Isolation
	// MaxPending bounds the tasks that are submitted and not yet waited for;
	// beyond it Submit returns ErrFull. 0: 65536.
	MaxPending int
	// Attempts bounds how often a task is started when workers die under it, at
	// most 255. Deaths for want of memory while other workers run do not count, up to
	// 16 of them: fewer run after each. With 1 a task is started once, whatever its
	// worker died of. 0: 3.
	Attempts int
	// StartTimeout is how long a new worker may take to say hello. 0: 10 s.
	StartTimeout time.Duration
	// CloseTimeout is how long Close lets running tasks finish before it
	// terminates their workers, and how long a worker that is replaced may take to end
	// after its last task. 0: 5 s.
	CloseTimeout time.Duration
	// TaskTimeout is how long a task, or a block of a range, may run before its
	// worker is killed: that attempt is lost ([ExitDeadline]). The first blocks of a
	// range are large, a third of it divided by the workers; one that takes too long is
	// tried again whole, and in halves if it takes too long again. For one of several
	// indices this does not count against Attempts. 0: for ever.
	TaskTimeout time.Duration
	// CancelGrace is how long a task may go on after [Future.Cancel] has ended its
	// context before its worker is killed. 0: 5 s.
	CancelGrace time.Duration
	// StopTimeout is how long a worker that has a task may be stopped, by SIGSTOP or
	// a debugger, or leave the next one lying though it runs none, before it is killed
	// ([ExitStopped]); or sleep though it has begun one, as one does that has written
	// over the memory that it shares with the pool ([ExitProtocol]). 0: 10 s.
	StopTimeout time.Duration
	// RecycleTasks is after how many tasks a worker is replaced by a new one,
	// between two tasks. Of a range the blocks count, and it ends its share first.
	// 0: never.
	RecycleTasks int64
	// RecycleMemory is with how many bytes of private memory a worker is replaced by
	// a new one, when it has finished its task. It is looked at once a second. 0: never.
	RecycleMemory int64
	// MemoryLimit is a ceiling in bytes for the memory of each worker process: of a
	// memory cgroup of its own where we may make one, which counts the arrays that
	// it touches first too; else by RLIMIT_DATA, for private memory alone, and
	// 64 MiB more. [Stats] says which. A worker that goes past it is killed, or dies
	// of Go's own error: [ExitOOM]. Its GOMEMLIMIT is nine tenths of it unless
	// WorkerMemory says another. 0: none.
	MemoryLimit int64
	// Spares is the number of workers that are started and wait until another dies:
	// its task then goes on at once. 0: none.
	Spares int
	// KeepWidth turns off that fewer workers run after deaths for want of memory.
	KeepWidth bool
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
	// Env is what workers get of the environment, as it is when New is called, beside PATH, LD_LIBRARY_PATH,
	// HOME, USER, TZ, TMPDIR, LANG, LC_*, OMP_* and GO*: "KEY" passes the variable
	// on, "KEY=value" sets it. GOMAXPROCS and GOMEMLIMIT are those of WorkerProcs and
	// WorkerMemory, not the supervisor's, unless they are named here: this wins.
	Env []string
	// Output gets what worker processes write to stdout and stderr, line by line
	// behind "worker N: ", control bytes escaped, lines cut at 300 bytes. It is
	// written to by one goroutine at a time, and may call any method of the pool. A worker
	// that writes more than Output takes waits, and its task with it; when a worker has
	// ended, Output has half a second for what is left of it. nil: only the tail is kept,
	// for the [WorkerExitError] of a worker that dies.
	Output io.Writer
	// Arena and Outputs size the pool's two arenas, Results the arena that each
	// worker has for its results: MaxBytes bounds one worker. nil: the defaults
	// of shm.
	Arena, Outputs, Results *shm.ArenaOptions
	// Anonymous makes these arenas of memfds, passed on by descriptor, instead of
	// named segments: no program can attach to them by name or truncate them,
	// what workers read is sealed against writing, the kernel frees them with the
	// last process, and they do not count against /dev/shm. Each takes one
	// descriptor here. Segments made with [Pool.Run] are what the caller made.
	Anonymous bool
	// Logger hears of starts and deaths, as OnEvent does. nil: silent.
	Logger *slog.Logger

	// Of tests.
	launch func(p *Pool, slot int) (proc.Process, proc.Link, *lane.Lane, wire.Hello, error)
}

// Isolation says what stands between a task and the rest of the program.
type Isolation string

const (
	Process   Isolation = "process"   // a process of its own: a crash costs one attempt
	Goroutine Isolation = "goroutine" // nothing: for comparison, and for trusted code
)

func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"Workers", int64(c.Workers)}, {"WorkerProcs", int64(c.WorkerProcs)}, {"WorkerMemory", c.WorkerMemory},
		{"MaxPending", int64(c.MaxPending)}, {"Attempts", int64(c.Attempts)},
		{"StartTimeout", int64(c.StartTimeout)}, {"CloseTimeout", int64(c.CloseTimeout)}, {"TaskTimeout", int64(c.TaskTimeout)},
		{"CancelGrace", int64(c.CancelGrace)}, {"StopTimeout", int64(c.StopTimeout)},
		{"RecycleTasks", c.RecycleTasks}, {"RecycleMemory", c.RecycleMemory}, {"MemoryLimit", c.MemoryLimit}, {"Spares", int64(c.Spares)},
	} {
		if f.value < 0 {
			return c, fmt.Errorf("pool: Options.%s is %d, expected 0 or more", f.name, f.value)
		}
	}
	if c.Attempts > wire.MaxAttempts {
		return c, fmt.Errorf("pool: %d attempts, at most %d", c.Attempts, wire.MaxAttempts)
	}
	for _, a := range []*shm.ArenaOptions{c.Arena, c.Outputs, c.Results} {
		if a != nil && (a.SegmentBytes < 0 || a.MaxBytes < 0) {
			return c, fmt.Errorf("pool: negative arena option in %+v", *a)
		}
	}
	for _, kv := range c.Env {
		if strings.ContainsRune(kv, 0) {
			return c, fmt.Errorf("pool: NUL in the variable %q", kv)
		}
	}
	if c.Workers == 0 {
		c.Workers = usableCores()
	}
	if c.Workers > MaxWorkers || c.Spares > MaxWorkers {
		return c, fmt.Errorf("pool: %d workers and %d spares, at most %d each", c.Workers, c.Spares, MaxWorkers)
	}
	if c.Isolation == "" {
		c.Isolation = Process
	}
	if c.Isolation != Process && c.Isolation != Goroutine {
		return c, fmt.Errorf("pool: unknown isolation %q, expected %q or %q", c.Isolation, Process, Goroutine)
	}
	if err := c.limitWorkers(); err != nil {
		return c, err
	}
	if c.MaxPending == 0 {
		c.MaxPending = 65536
	}
	if c.Attempts == 0 {
		c.Attempts = 3
	}
	if c.StartTimeout == 0 {
		c.StartTimeout = 10 * time.Second
	}
	if c.CloseTimeout == 0 {
		c.CloseTimeout = 5 * time.Second
	}
	if c.CancelGrace == 0 {
		c.CancelGrace = 5 * time.Second
	}
	if c.StopTimeout == 0 {
		c.StopTimeout = 10 * time.Second
	}
	if c.Isolation == Goroutine {
		c.Spares, c.MemoryLimit = 0, 0
		c.KeepWidth = c.KeepWidth || c.launch == nil // nobody is killed
	}
	if m := c.MemoryLimit; m > 0 && m < MinMemoryLimit {
		return c, fmt.Errorf("pool: a memory limit of %d bytes, at least %d: a Go process needs as much before its first task", m, MinMemoryLimit)
	}
	if c.Results == nil {
		c.Results = &shm.ArenaOptions{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
