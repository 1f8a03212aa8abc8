// Package batch runs an operation over the rows of files, and finishes whatever is
// killed: it reads them in chunks into shared memory, hands each column of each
// chunk to a worker by Ref, and merges what comes back or writes it as rows.
//
// # A short tour
//
//   - A [Job] names its inputs, an operation, an output and, to survive the death of
//     its process, a state folder. [Run] runs it.
//   - An [Op] registers itself by name ([Register], from a package-level variable).
//     The operations of this module are in package ops; a program's own are
//     registered the same way, and are then known to [Job].Op.
//
// # Data flow
//
//	reader            dispatcher (Run's goroutine)           workers
//	file ─▶ record in ─▶ Queue ─▶ one task per chunk ─▶ partial result or rows
//	        the arena    (bytes)  and column, by Ref             │
//	                              in the order of the rows ◀─────┘
//	                                │
//	                     disk: rows ▼ behind the rows, sync; record of the chunk, sync
//
// The queue is bounded by bytes, and so are the tasks in flight and the chunks that
// are done and not written: an input larger than memory goes through in chunks. A
// chunk's memory returns to the arena when its last column is done.
//
// # Copies
//
// Workers are handed rows by Ref. What is copied before and after that is counted
// where it happens, in bytes, as [Summary].BytesCopied:
//
//   - what is read from Arrow files into shared memory, by read calls, and what is
//     decompressed there: values and validity bits of the columns that are asked for,
//     in every pass again;
//   - numbers that are parsed from CSV into shared memory, 8 bytes each, and a
//     validity bit for each;
//   - rows ahead of a piece of a chunk ([Pass].Halo) that had to be joined from two chunks;
//   - CSV of the output, which a worker makes in its own memory and copies into shared
//     memory;
//   - rows that are kept aside because they kill their workers, as an Arrow stream.
//
// It does not count a file's metadata, the bytes of CSV and of compressed buffers on
// their way through a reader's buffer, what tasks take and give by value (parameters,
// partial results), nor what is written to files. What workers compute is made in
// place.
//
// # Operations
//
// An operation says three things. Map: what a worker does with a piece, which is
// consecutive rows of a chunk (all of them, unless some are in quarantine) in one
// column, or in all of them ([Pass].Whole). Merge, of a reduction: how partial results are
// put together, in the order of the rows; or Output, of an operation that gives rows:
// which columns. Split: how many passes it makes over the rows, and how many rows
// ahead of a piece its tasks need ([Pass].Halo). [Op].Params are its parameters.
//
// A reduction's partial results are bytes: they are what the journal keeps. An
// operation whose result must not depend on how the rows are cut makes Merge
// associative to the last bit, as those of package ops are.
//
// # The state folder
//
// It holds one file, the journal (package journal): a header that says what the job
// is, and a record for each chunk that is done. The rows of the output lie in a
// hidden file beside it, which becomes the output when it is whole:
//
//	1  rows of some chunks behind those that are there       sync
//	2  a record for each of them: what it gave, and where     sync   the chunk is committed
//	…
//	3  the file's end                                         sync
//	4  record: the output is whole                            sync
//	5  the hidden file gets the output's name                 sync of the folder
//	6  the journal is removed, or ends with a record          sync
//
// A run that is killed anywhere is resumed from what is synced: rows without a
// record are cut off and made again, steps from 3 on are done again. So each
// chunk is in the output exactly once, and no committed chunk runs again. Chunks
// are synced in groups, at most 100 ms apart. What fails behind step 5 is a warning.
//
// The journal is bound to the inputs (where anything about one differs, the hash of
// its content decides, if the first run has come to it, else size and time), to the
// operation with all parameters, the columns, the rows of a chunk and the output's
// name. Anything else may be different: workers, isolation, limits, quarantine. Rows
// and lines that are left out stay so, because the chunks were cut without them.
//
// Without a state folder the hidden file is that of package outfile.
//
// # Failure
//
// A dead worker costs one attempt ([pool.Options].Attempts). With [Job].Quarantine
// rows that kill their workers are found by halving the chunk, left out of all
// columns and named in the [Result]. A chunk that fails ends the job, at once or
// later ([Job].Halt). The output appears whole or not at all. Errors of the disk end
// the job; with a state folder it can be resumed when they are repaired. Errors are those of
// packages files, pool and journal, [ErrOtherJob], [ErrDrained], [ErrUnknownOp].
//
// # Concurrency
//
// Jobs may run at the same time, each with its own pool, state folder and output. A
// second process that wants a state folder which one has is refused.
package batch
