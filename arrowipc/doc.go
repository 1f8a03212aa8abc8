// Package arrowipc places Apache Arrow columns in shared memory and hands them
// to other processes by name, without copying them.
//
// # A short tour
//
//   - [Allocator] is Arrow's memory.Allocator over a [shm.Arena]: builders, and
//     Arrow's own IPC readers, that are given it put their buffers there.
//   - [ColumnOf] turns a numeric Arrow array, sliced ones too, into a [Column]:
//     a plain struct of views that crosses a process boundary as a task argument. A
//     result has an [OwnedColumn]. [Record] and [OwnedRecord] are any number of columns.
//   - [CopyArray] brings an array that lies elsewhere into the arena, [Concatenate]
//     joins arrays there: copies, which the arena counts ([shm.ArenaStats].Copied).
//
// The sub-package files reads Arrow and CSV files into such arrays.
//
// # Layout
//
// A column is what Arrow's format says it is: the values as a dense array of
// native (little-endian) elements, and a bitmap with one bit per value, lowest
// bit first, 1 for valid. A sliced array is the same two buffers from a later
// element on, whose bit need not be the lowest of its byte:
//
//	values buffer   | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 |10 |11 |
//	array [10:12]                                           |Values |
//	bitmap buffer   | byte 0: bits 0…7              | byte 1: 8…15  |
//	                                                | Valid         |
//	                                                 BitOffset 2: element 10
//
// Each block starts at a multiple of 64 bytes, in shared memory as in the process.
//
// # Lifetimes
//
// A block lives as long as an Arrow buffer refers to it: it returns to the arena
// when the last array or record over it is released, or later, when the last
// [shm.Pin] ends. The views of a Column borrow that block: they are dead once
// the array they were made from was released. A pool pins the arguments of a
// task, so the array may be released as soon as the task was submitted.
//
// # Concurrency
//
// All methods may be called from several goroutines. Only the process that made
// the arena allocates; others read.
//
// # Failure
//
// A full arena is a returned error, except in Allocate and Reallocate, whose
// signatures are Arrow's: they panic with an [*AllocError]. [Allocator.Contain]
// runs code that may do so and returns it as an error. The lengths and offsets
// of an array are checked against its buffers before a view is made of them.
//
// # Platforms
//
// Where [shm] works. Elsewhere everything compiles and there is no arena to be had.
package arrowipc
