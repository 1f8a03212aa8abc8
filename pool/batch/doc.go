// Package batch runs an operation over the rows of files: it reads them in
// chunks into shared memory, hands each column of each chunk to a worker by
// Ref, and folds what comes back.
//
// # Data flow
//
//	reader goroutine        dispatcher (Run's goroutine)      workers
//	file ──▶ record in ──▶ Queue ──▶ one task per chunk ──▶ partial result
//	         the arena     (bytes)   and column, by Ref          │
//	                                 fold, in order ◀────────────┘
//
// The queue is bounded by bytes, and so is the number of tasks in flight: a
// file larger than memory goes through in pieces. A chunk's memory returns to
// the arena when its last column is folded.
//
// # Operations
//
// An [Op] registers itself by name ([Register], from a package-level variable)
// and is found by [Job].Op. It says how a chunk of a column becomes a partial
// result in a worker and how partials are folded. The operations in this
// module are in package ops; a program's own are registered the same way.
//
// # Failure
//
// A dead worker costs one attempt ([pool.Options].Attempts); the job's first
// error ends it. With [Job].Quarantine rows that kill their workers are found by
// halving the chunk, left out of all columns and named in the [Result]. Nothing is written by Run: the caller gets the whole result or
// an error.
//
// # Concurrency
//
// Jobs may run at the same time, each with its own pool.
package batch
