// Package lane is the memory that one incarnation of a worker and the supervisor share,
// and nobody else, and the few words that all workers share.
//
// A [Lane] is the supervisor's side, a [Worker] the worker's. Tasks go down, results
// come up, and the worker sleeps at its doorbell. The lane knows tasks by their number
// alone: what a number stands for is its owner's.
//
//	offset  size  what
//	     0    64  the worker's doorbell
//	    64     8  the worker's claim: the range in the upper half, and ClaimNone,
//	              ClaimChoosing or ClaimBlock + the block
//	    72    24  what the running attempt began with, where it is measured (Begun)
//	    96    16  bytes that the worker has copied into and out of side blocks (Copied)
//	   128     …  ring of Slots to the worker
//	     …     …  ring of Slots to the supervisor
//	     …   512  the worker's flight ring (wire.FlightRecorder)
//
// The memory that all workers share with the supervisor:
//
//	offset  size  what
//	     0    64  the supervisor's doorbell
//	  64·k    64  for k = 1…MaxRanges a range: 0 next, the counter from which
//	              workers take blocks, and 4 stop, 1 if they are to take none
//
// # Concurrency
//
// What lies in a Lane in what order is guarded by the supervisor's lock; the ring up
// belongs to whoever leads the waiters. A Worker belongs to the goroutine that runs
// tasks, but for the doorbells. The words in memory are atomic, and what is read from them
// may have been written by anybody.
package lane
