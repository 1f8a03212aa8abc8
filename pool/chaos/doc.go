// Package chaos deals faults to the workers of a running pool, in an order that a
// seed decides: for tests that show that a program gets every result once, and
// the right one, whatever happens to its workers.
//
// # A short tour
//
//   - A [Fault] is one way to harm a worker: a signal from outside, or something
//     that the worker does to itself.
//   - A [Plan] says which faults are dealt and how often.
//   - [Start] begins a [Storm] over a pool, [Storm.Stop] ends it and returns a
//     [Report], whose text has all that is needed to repeat it.
//   - An [Engine] does the same over any other program with worker processes, which
//     is a [Target], and with faults of that program's own.
//
// In a test:
//
//	storm, err := chaos.Start(t.Context(), p, nil)
//	…
//	compare(t, want, work(p))
//	t.Log(storm.Stop()) // chaos: seed 0x9f27c1, every 50ms: kill 7, segv 4, …
//
// Its TestMain calls [pool.Main]. A fault that hits a running task costs it an
// attempt, and a task has three by default: set Options.Attempts to some hundreds
// at most, or the storm will make a task fail now and then. Set Options.Replacement.KeepWidth
// too, because kills that come close together look like those of a kernel that is
// short of memory.
//
// # Faults
//
//	fault     what happens                                            class of the death
//	kill      SIGKILL                                                 signal
//	segv      SIGSEGV: Go prints its stacks and exits with 2          fatal
//	pause     SIGSTOP, and SIGCONT after a while                      none
//	freeze    SIGSTOP, until Options.Timeouts.Stop or the storm's end   stopped
//	exit0     os.Exit(0)                                              exit
//	exit1     os.Exit(1)                                              exit
//	garbage   a message on the worker's socket that means nothing     protocol
//	memory    a heap that grows past Options.MemoryLimit              oom
//
// The first four are sent to a worker that is idle, running or standby, by its
// process handle: they hit whatever runs there. A stop is left out where it would
// stop the last worker that runs while others are stopped. The others are done by a task of
// this package, named chaos.strike, that waits in line as any other task does, and
// runs alone in a worker that the pool has chosen: what dies with the worker is
// that task, and what waited behind it goes to other workers. The second attempt
// of a strike does nothing.
//
// A strike counts in the pool's statistics. It takes one of Options.MaxPending
// places, and there are at most four at a time.
//
// # Seeds
//
// The seed, [Plan].Every and the set of faults decide the whole sequence of
// decisions: which fault comes next, which of the workers that can be hit gets it
// (by its rank among them), and how long the storm rests before it. Each fault
// comes once before any comes again. What comes of that depends on time as well: what the worker is doing at that moment, and which
// workers there are. So the same seed makes a failure likely to come again, and
// not certain.
//
// # Lifetimes
//
// A storm lasts until [Storm.Stop], the end of its context, the end of the pool or
// [Plan].Most faults, whichever is first. However it ends, the workers that it has
// stopped run again, and no strike is left in the pool. A storm over a pool that
// is being closed may slow Close down: stop it first.
//
// # Concurrency
//
// Stop and Seed may be called from several goroutines. Several storms may be over
// one pool, and do not know of each other: their reports may then count a fault
// that hit a worker that was dying already.
//
// # Failure
//
// Signals go to processes that were workers of this pool and children of this
// process when the handle was opened, and to nothing else. No more memory is
// taken than the limit that the worker itself finds and 128 MiB, and none where it
// finds no limit. A strike that finds itself in a process that is not a worker
// does nothing.
//
// # Platforms
//
// Linux, as package pool. Elsewhere Start returns an error that wraps
// [errors.ErrUnsupported].
package chaos
