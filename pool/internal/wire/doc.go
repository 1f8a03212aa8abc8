// Package wire is the protocol between the supervisor of a pool and its workers:
// task ids, statuses, every message and record of both ends, and the layout of the
// flight ring. It starts no process, maps no memory and reads no clock, so that all
// of it can be tested and fuzzed alone.
//
// Integers are little-endian. s→w is sent by the supervisor, w→s by the worker. The
// numbers below are offsets in bytes; … stands for the rest of the packet or record.
//
// # Start
//
// A worker process finds [WorkerStart] in its environment, as text in [WorkerEnv].
//
// # Messages
//
// They travel over a socket of type SOCK_SEQPACKET, one packet each, of at most
// [MaxMessage] bytes:
//
//	hello    w→s  0 kind · 4 magic · 8 version · 12 pid · 16 build[16] · 32 registry[16] · 48 nonce[16]
//	announce s→w  0 kind · 1 use · 4 segment · 8 size · 16 name…
//	retire   s→w  0 kind · 4 segment
//	cancel   s→w  0 kind · 8 index · 12 epoch
//	drain    s→w  0 kind
//	grow     w→s  0 kind · 8 bytes
//	refuse   s→w  0 kind · 1 reason · 4 text…
//	shrink   w→s  0 kind · 4 segment
//	trim     s→w  0 kind
//	free     s→w  0 kind · 8 { 0 segment · 4 generation · 8 offset }…
//
// A worker says hello before anything else. An announce brings a descriptor if the
// segment has no file; no other message does. It may come after a task that needs it.
// A grow asks for a segment for results, and is answered by an announce of one or by a
// refuse. A shrink says that the worker has unmapped such a segment, and a free names
// allocations in them that nobody needs any more. A retire asks the worker to unmap a
// segment, a trim to give back memory that it doesn't use, a drain to end after its tasks.
//
// # Records
//
// They travel through the rings of a lane, which know their lengths:
//
//	task     s→w  0 kind · 1 attempt · 2 func · 4 index · 8 epoch · 12 args…
//	range    s→w  0 kind · 1 attempt · 2 func · 4 index · 8 epoch · 12 job · 16 workers · 20 block · 24 n · 32 grain · 40 lo · 48 hi · 56 args…
//	free     s→w  as the message
//	result   w→s  0 kind · 1 status · 2 frees · 4 index · 8 epoch · 12 payload…
//	block    w→s  0 kind · 1 large · 4 index · 8 epoch · 12 block · 16 payload…
//
// Each task and each share of a range is answered by one result, in the order in which
// they were sent. A free has no answer; each result says how many free messages, modulo
// 2¹⁶, the worker had read from its socket. A share of a range is one block of it, or a
// part of a block, or as many blocks as the worker takes from the counter of the job: each
// is answered by a block when it is done, before the result, which has no payload then.
//
// Arguments and results are what package codec has encoded. What is longer than
// [MaxInline] is in a side block: an array of bytes in an arena, of which the record has the
// shm.WireRef. The kind of a task or range then has its highest bit set, a result has the
// status [StatusLarge], and large is 1. Where the next bit of the kind of a task is set, the
// deadline of its context comes before args, 8 bytes, in nanoseconds since 1970.
//
// Where the status is none of [StatusOK], [StatusLarge] and [StatusRevoked] the payload of a
// result is a failure:
//
//	0 length of text · 4 number of errors · 5 text… · { length of name · name… }… · stack…
//
// The errors are the registered ones that the task's error is or wraps, by name.
//
// Where attempts are measured each result and block ends with a usage, of 32 bytes:
//
//	0 start, in nanoseconds since 1970 · 8 wall time · 16 CPU time, both in nanoseconds · 24 private memory at the end, in bytes
//
// # Flight ring
//
// It is the last of what a worker did, in its lane, which outlives it: 32 entries of 16
// bytes, written by the worker alone and read by the supervisor when the worker is dead.
// The first 24 are written in turn by the goroutine that runs tasks, the last 8 by the one
// that reads messages. An entry:
//
//	0 number, from 1 · 4 kind · 5 attempt · 6 func · 8 index of a task, number of a block, or segment · 12 epoch of a task
//
// # Failure
//
// Every function that reads takes its bytes for input from a stranger: it ends with a
// value or with an error, and allocates no more than the bytes that it was given account for.
// Numbers in what it returns are checked where they are used.
package wire
