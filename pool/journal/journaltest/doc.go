// Package journaltest breaks the file system under a journal, and under whatever else
// is written through [journal.FS], in the ways in which real ones break.
//
//   - [NewPowerCut] makes a file system in memory that knows what is synced;
//     [PowerCut.Image] gives one of the states in which the loss of power can leave it.
//   - [FailAt] makes the n-th operation fail: a full disk, a broken one.
//   - [KillAt] kills the process at the n-th operation, for tests that start a copy
//     of themselves.
//
// All of them list their operations, so that a test can go through every one: run once
// with n = 0, count, then run with 1, 2, ….
//
// # Failure
//
// What an Image may show of operations that were not synced: writes in blocks of 512 or
// 4096 bytes, each on the disk or not, in any order, some up to the middle; where
// nothing was written, zeros or garbage; the length that the file had after any of them;
// names made, renamed and removed or not, each by itself. Bytes that were synced stay.
// A Sync that FailAt makes fail over a PowerCut is as on Linux: what was to be written
// can be read until the power goes, and is not written by a later Sync.
//
// # Concurrency
//
// Everything may be used by several goroutines at once.
//
// # Platforms
//
// All; KillAt needs what [journal.OS] needs.
package journaltest
