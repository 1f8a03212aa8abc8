// Package bench measures on this machine what it costs to hand a value to
// another process, with shared memory and with what one would use instead, and
// what the same work costs in a goroutine.
//
// # A short tour
//
//   - [Run] hands arrays of several sizes to worker processes by several
//     strategies, alternating between them, and returns a [Report].
//
//   - [NewPayload] hands over values of any type of the caller's instead, [Options].File
//     the columns of numbers of a file.
//
//   - [Report] writes itself as a table, a chart of characters, SVG, one HTML page,
//     Markdown, JSON and Go benchmark results that benchstat reads; it has the sizes at
//     which one strategy overtakes another ([Crossover]), and says how sure they are.
//     [ReadReport] reads the JSON again, and [Report.WriteComparison] compares two.
//
//   - [Options] selects sizes, strategies and what the receiver does with the
//     value ([Touch]); [ParseSize] and [FormatSize] are how sizes are written.
//
//   - [Memory] measures how much memory this process and its workers take while all
//     hold the same array, by the number of workers ([MemoryReport]).
//
//   - [Calibrate] measures what handing over costs here, for package classify, with the
//     same strategies, and keeps that between runs.
//
// The same strategies run under `go test -bench` in this package.
//
// # Strategies
//
//	gob-fresh     gob over a pipe, a new encoder and decoder for each message
//	gob-reused    gob over a pipe, one encoder and decoder for all messages
//	pipe-raw      8 bytes of length and the array's bytes over a pipe
//	unix-raw      the same over a Unix stream socket
//	arrow-pipe    a record batch of an Arrow IPC stream over a pipe
//	shm-fresh     a new segment per array: made, mapped, filled, named to the
//	              worker, attached there, unmapped in both, removed
//	shm-copy      one copy into a warm arena, then the Ref
//	shm-resident  the array is in the arena already: only the Ref
//	value         a task's argument by value: one copy in, one copy out
//	shared        shared once by [pool.Share]: the task gets the Shared
//	goroutine     no process: a channel to a goroutine of this one, and back
//
// The receiver reads every element, or the ends of every slice, or runs the user's
// function, and answers with 8 bytes: a checksum over the bits, or what the function
// returned, and the handoff's number. It is a worker process of a [pool.Pool] for all but the
// last: one for each strategy over a stream, one for the shm strategies. The
// pipes are FIFOs in a private temporary directory, the same kernel object as a
// pipe; pipes and sockets have the system's default capacity (64 KiB, and
// net.core.wmem_default). Receivers read into memory that they use again, and
// use raw bytes as float64s where they lie.
//
// # What is measured
//
// A sample is the mean of as many back-to-back handoffs as fit into about 1 ms,
// at least one. Each round takes one sample of every strategy. In a block of
// rounds every strategy is in every position once (a Latin square, in package stat), so that
// a slow moment of the machine hits them all. Intervals and ratios are of package stat,
// models and crossovers of package cost, and METHOD.md tells it for readers of figures.
// Before the first round every strategy has handed over that size for a while:
// pages are mapped and buffers have grown. A sample begins with handoffs
// for about 4 ms that are not counted, because other strategies ran meanwhile.
//
// The elements of arrays have full-entropy mantissas: gob sends round numbers in fewer
// bytes. Each handoff carries its number, and a value one bit of which differs from the one
// before, near its beginning; in each round one near its end changes too. Every answer is
// compared with the one computed here before the samples, so that a stale, torn or truncated
// value shows as a wrong answer. A checksum tells NaNs, −0, and nil from empty apart, and does
// not depend on the order of a map. What gob drops (unexported fields, that a slice is empty
// and not nil, a pointer to zero) is found beforehand: the row names it and is not called wrong.
//
// Garbage is collected between sizes and after samples of gob that made more
// than 1 MiB of it, outside of the timed parts, so that no strategy pays for the
// garbage of another; what gob's allocations cost while it runs is its own.
//
// CopiedBytes counts what the handoff moves: nothing for shm-resident and
// goroutine, the payload for shm-copy and shm-fresh, and for streams twice what
// passed through the descriptors, framing and answers included: into the kernel
// and out of it.
//
// Only ratios within one run carry over to another time or machine.
//
// # Lifetimes
//
// Run, Memory and Calibrate leave nothing: workers, segments, the temporary directory and
// goroutines are gone when they return, after an error or the end of their context
// too. Calibrate keeps one file in the user's cache directory.
//
// # Concurrency
//
// Functions and methods may be called from several goroutines; two Runs at once
// disturb each other's figures. A Report is written by nobody after Run.
//
// # Failure
//
// Every wait is bounded. A worker that dies or does not answer ends the run
// with an error that names the strategy, the size and, where it died, what the
// pool says about the death ([pool.WorkerExitError]). Shared memory that is too
// small is an [shm.SpaceError] before anything is measured.
//
// # Platforms
//
// Linux 5.10 or newer; elsewhere only the strategy goroutine runs, the others
// return an error that wraps [errors.ErrUnsupported].
package bench
