// Command peers measures the toolkit against what one would use instead, both
// sides in one run, and prints a line for each ratio: what, ratio, goal, spread,
// and whether the goal is met here.
//
//	go -C bench/peers run .              # about a minute
//	go -C bench/peers run . -rows 'idle,one by one,gob'
//	go -C bench/peers run . -quick -json -
//
// It is a module of its own, so that what it compares with is no dependency of
// the toolkit, and uses the toolkit's public API alone.
//
// # What is compared
//
//	channels           a goroutine at the other end of unbuffered or buffered channels
//	goroutine pool     as many goroutines as workers, indices over a channel
//	os.Pipe            8 bytes through a pipe to a process and back through another
//	gob                gob over pipes to processes, as fast as they take it
//	shmipc-go          cloudwego/shmipc-go, a stream in its shared memory to a process,
//	                   with GOMAXPROCS 1 on both sides, as in its examples: it is faster so
//	go-plugin          hashicorp/go-plugin over net/rpc
//	Python             concurrent.futures.ProcessPoolExecutor, arrays by pickle or in
//	                   multiprocessing.shared_memory; measured inside Python
//	copy, first touch  what the memory itself gives
//	bare spawn         this program, started again, up to its first byte
//
// The programs that measure go-plugin and shmipc-go are built from the folders
// beside this file when their row is due, which takes Go and their modules.
//
// # How it is measured
//
// Each row is measured by a process of its own, a copy of this program, which is
// put on its cores before it starts where the row says which. The two sides take
// turns, sample by sample, and every other pair begins with the other side; one
// pair before the first is not counted. The ratio is the median of the pairs'
// ratios, with an interval for it by the sign test. A sample is the median of back-to-back
// round trips, each of some batches timed as a whole where a trip is cheap, or one
// run of a batch of tasks that takes about 20 ms, by its number of tasks. Every
// answer is checked.
//
// Only ratios within one run carry over to another time or machine. The column
// canary is a round trip between two spinning threads right before the row: where
// it differs from the rest, the machine drifted or was busy, and the row is worth
// another run.
//
// # Lifetimes
//
// Peers end with their standard input, or are killed 5 seconds later; rows are
// bounded by 5 minutes. Processes, segments and temporary files are gone when the
// program ends, after Ctrl-C and errors too. After a SIGKILL of this program the
// row that was measured ends by itself, in order.
//
// # Failure
//
// A row whose peer is missing, or for which the machine is too small, is skipped
// and says why. One that fails says so, and the exit code is 1. Goals that are not
// met are no failure.
//
// # Platforms
//
// Linux. Elsewhere it compiles and skips what needs shared memory.
package main
