// Package pool runs functions of this program in worker processes and hands them arrays by
// name: a task carries [shm.View] arguments as Refs, the bytes stay where they are, and a
// worker that crashes costs one attempt of one task.
//
//	var square = pool.Func("square", func(t *pool.Task, x float64) (float64, error) { return x * x, nil })
//
//	pool.Main()                                // first thing in main
//	p, err := pool.New(ctx, nil)               // as many workers as usable cores
//	defer p.Close(ctx)
//	y, err := square.Call(ctx, p, 3)           // or square.Map(ctx, p, inputs)
//
// # Types
//
//   - [Func] registers a typed function in a package-level variable and returns a [Fn]; its
//     argument and result types are compiled into a plan of how to hand them over, there and
//     then; in a worker when it first runs.
//   - [Main], first thing in main and in TestMain, turns a copy of the program that the pool
//     started into a worker; elsewhere it returns at once.
//   - [New] starts the workers of a [Pool], as [Options] says, and [Pool.Close] ends everything.
//   - [Fn.Call] runs one task and waits for it. [Fn.Submit] returns a [Future] at once.
//     [Fn.Map] hands out a sequence and yields an [Item] for each input, in order.
//   - [RangeFunc] and [ReduceFunc] register functions over a range of indices
//     that the workers share out among themselves.
//   - [Share] copies a value of any type into shared memory once. A [Shared] is an argument
//     of any number of tasks, and a result; [Shared.Get] reads it where it is.
//   - A [TaskError] is the task's own failure, and a [WorkerExitError] the death of its worker
//     in the last attempt. Both are errors of one task: Map goes on with the next.
//   - [RegisterError] lets errors.Is find a function's own error in its TaskError.
//
// # Lifetimes
//
// A submitted task pins its arguments until it is resolved, whatever happens to
// the caller's own references. In the worker, views are dead when the function
// returns, and so is every array of [Task.Arena] that it does not return. A
// Future is waited for once.
//
// The OwnedViews of a result are the caller's from [Future.Wait] on, and dead after
// their Release; until then they outlive the worker that made them, its death and
// the pool. Results that nobody takes, by [Future.Discard] or the end of a
// sequence or of the pool, are released by the pool. A dead worker's segments
// are removed when the last View over them is released. An attempt begins
// after the last process of the one before is dead, and with no array of it but
// one: an Array argument holds what a dead attempt has already written. So write
// outputs, do not add to them.
//
// What goes by value lies in the record of its task up to 4 KiB, and beyond in shared
// memory: arguments in [Pool.Arena], from Submit until the task is resolved, results in the
// arena of the worker, from the function's return until [Future.Wait], which decodes them.
// [CopyStats] counts the copies. A full arena for arguments is [shm.ErrFull] in Submit; Map
// waits while tasks of its own have the memory, and holds at most 64 MiB by value, or one
// task more than there are workers. Where Options.Arenas.Results or /dev/shm is used up,
// results that nobody has waited for yet are moved to private memory of this process, which
// nothing bounds but Options.MaxPending; only where arrays that callers have not released
// take it up does the task fail, with an error that wraps [shm.ErrFull]. Close moves what is
// left. In the worker, arguments by value are the function's to change, but for those of a
// range, which all blocks in one worker share until the range is over.
//
// # Concurrency
//
// A Pool and a Fn may be used from several goroutines of the process that made them, and
// from no other process.
//
// # Failure
//
// A store through a read-only input, and a load from a segment that another
// program has truncated, are that task's own error and name the field and the
// element ([TaskError]); the worker lives. This holds for the goroutine that runs
// the function; in one that it started, and at any other address, a fault ends the
// worker: its memory may be damaged. With Isolation = Goroutine inputs are mapped
// writable, and a fault elsewhere is the task's panic.
//
// The death of a worker is what its pidfd says, whoever reaps it; one that was killed
// and that a debugger or the kernel holds counts as dead after 10 s, since it never
// runs the program again. The task it ran is tried again
// on another worker, three times in all, at once the first time and after a pause
// from then on; what waited in its lane goes to others. Of a range, the blocks that
// it had taken and not done do (internal/rangejob), and with Quarantine they are halved
// (internal/rangejob). A watchdog (helpers.go) looks at what runs and reads /proc: it kills
// what overruns its bounds. Where memory is short fewer run (internal/life). When the
// supervisor itself is killed, workers see the end of the socket and kill their
// own process group; the parent-death signal, SIGCONT, wakes a stopped one so that
// it sees it too. Descendants that left the group are out of reach.
//
// Options.OnAttempt is for a log of the job: a line for each attempt, lost ones too,
// with its times and memory, as the workers measure them where it is set.
//
// # Platforms
//
// Linux 5.10 or newer. Elsewhere New returns an error that wraps
// [errors.ErrUnsupported]; with Options.Isolation = Goroutine too, because the
// arenas are shared memory.
//
// # Data flow
//
// Which file does what is in ARCHITECTURE.md: one task and one death, step by step.
//
//	caller            supervisor (this process)              worker process
//	Submit ──encode──▶ task table ──task record──▶ lane ──▶ decode, bind views
//	                      ▲                                     │ fn(t, in)
//	Wait ◀──decode── result ◀───────────────────── lane ◀─── encode result
//	arrays in an arena ═════════ the same pages, mapped read-only ═════════▶
//	results' OwnedViews ◀═══════ the same pages ══════════ arrays in t.Arena()
//	Release ──────────────────────▶ free, before the next task ──▶ block free again
//
// A lane (internal/lane) is a sealed memfd that one worker and the supervisor share: a
// ring of records each way (package ring) and the doorbell at which the worker
// sleeps. The supervisor sleeps at one doorbell for all. While both sides are busy no
// system call is made and nothing is allocated for a task. A worker has up to 256
// tasks in its lane, takes the next by itself and runs it on the goroutine that
// looks at the ring. What waits in a lane behind a long task is taken back and
// given to a worker that has nothing to do.
//
// Whoever waits for a future polls all lanes, for everybody, and passes that role
// on (leader.go has its states and invariants); where nobody waits, a dispatcher
// comes by now and then.
//
// A range (internal/rangejob) is one record per worker: the blocks into which it is cut are
// taken from a counter that all workers share, and each is answered by a record.
//
// A segment is announced to a worker once, by name or with its descriptor
// (Options.Arenas.Anonymous), over the worker's socket; the first task that needs it may be
// in the lane before, and waits. It stays mapped there until it is unmapped here.
//
// The supervisor owns the memory of results too: a worker whose arena
// ([Task.Arena]) is out of memory asks for a segment, which this worker alone maps
// writable, and the Refs in a result are checked against these segments.
//
// # Messages
//
// One socket pair of type SOCK_SEQPACKET per worker for its life-cycle; every
// message begins with a byte that says its kind; integers are little-endian. A worker says hello
// (magic, version, build, nonce, the hash of its registry) before anything else
// and is refused by name of what differs. internal/wire draws the messages, and
// what goes through the lanes. All of it is a stranger's: a worker
// that sends what it must not is killed, and can make nothing useless but its own lane.
// A worker that writes over its lane, by mistake or on purpose, loses attempts of its
// own tasks; all of them resolve. What it can do is to its own results: it may deliver
// wrong ones, and change arrays of a result after it has delivered it, while it lives.
// One that says that it runs its task is believed until Options.TaskTimeout.
// The memory that all workers share holds hints only: the supervisor's doorbell, whose
// sleeps are bounded, and the counters of ranges, which are checked against what
// was reported.
//
// # States
//
// A task is pending, in a lane, running or resolved, and is resolved exactly once:
// done; failed, by its own error, by deaths under all of its attempts, or by the end of
// the pool; or cancelled, by [Future.Cancel]. An index of a range may be quarantined.
// Running is what its worker says when it takes the task
// out of the lane: only that task has lost an attempt when the worker dies. An attempt
// is (task, attempt, incarnation): every life of a worker has a lane of its own, so that
// what a dead one says is not taken for the next one's. A worker slot ([State]) goes
//
//	            ┌─ idle ◀──▶ running ─┐
//	starting ───┤     │          │    ├─── death ──▶ dead ──▶ starting (the next incarnation)
//	   │        │     └─ retire ─┴──▶ draining ──▶ dead
//	   │        └─ standby ── promoted when a worker dies ──▶ idle
//	   └── it says nothing, or the wrong thing ──▶ dead
//
// A dead slot waits: until the pool wants as many workers (slots.go), and after
// lives that were short, longer and longer. How a life ended is a [ExitClass].
package pool
