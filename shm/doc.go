// Package shm puts numeric arrays into shared memory and names them, so that
// another process can use them where they lie: the name, the shape and the
// dtype cross the process boundary, the bytes never move.
//
// # A short tour
//
//   - [Run] is one life of one program. It owns every segment it makes and
//     holds the proof that it lives: a lock that the kernel drops at its death.
//   - [Segment] is a named POSIX shared-memory object, a file in /dev/shm whose
//     space was reserved when it was made, mapped into this process. An
//     anonymous one is a memfd: it has no file, is handed over by its descriptor
//     and is sealed, so that no process can truncate it under another's feet.
//   - [Arena] is long-lived, warm memory from which arrays are allocated
//     ([Make], [MakeWait], [PutCopy]) and to which they return. Making a segment
//     costs tens of microseconds and a page fault per 4 KiB; a block of a warm
//     arena costs neither.
//   - [Array] is a writable typed slice over a segment, [View] a read-only one that
//     somebody else holds, and [OwnedView] one that holds its elements itself.
//   - [Ref] is what crosses the boundary: segment name, byte offset,
//     generation, dtype and shape. [Attach] and [Bind] turn it into an OwnedView.
//
// # Layout
//
// A segment holds raw elements from byte 0 and nothing else: no header, C
// order, native (little) endianness, NumPy's item sizes. Any program that can
// open /dev/shm/NAME can read it; what describes the bytes is in the Ref.
//
//	/dev/shm/handoff-<run id>.lock   the run's proof of life, flocked, never mapped
//	/dev/shm/handoff-<run id>-1      segment 1, mode 0600, space reserved
//	/dev/shm/handoff-<run id>-2      segment 2
//
// A segment of 2 MiB or more lies on huge pages where the kernel gives any
// (Linux 6.1; Segment.Huge says how many bytes), which makes it several times as
// quick to fill for the first time and to map in another process.
//
// The run id is 96 random bits in hexadecimal and never used again.
//
// # Lifetimes
//
// Slices returned by Data and Bytes point straight into the mapping. An Array
// or OwnedView pins its block and its mapping until Release; a View pins nothing and
// ends with what it was borrowed from. From then on the slice is dead: its block may be given to the next Make, and reading it shows
// somebody else's numbers. Segment.Close with live pins removes nothing under
// their feet: unmapping and unlinking happen when the last pin goes.
//
// # Concurrency
//
// All methods may be called from several goroutines. The elements themselves
// are ordinary memory: one writer, or readers only, and a hand-over (a pool's
// task, a channel, a message) between them. Nothing in a segment is a lock.
//
// # Arenas
//
// An arena grows by segments of 1, 2, 4, … 64 MiB. A block is rounded up to its
// size class: at most a quarter more below 64 KiB, whole pages above. What comes
// back waits for the next array of its class; before the arena grows, free
// neighbours are merged and cut anew, and where its budget has no room, segments
// without an array in use go. None of this is kept in shared memory: another
// process cannot harm it.
//
// # Assertions
//
// Built with the tag handoff_assert, or with the race detector, the package
// finds its users' mistakes. An array that was never released is reported on
// stderr with the stack that made it, when the garbage collector finds it: a
// program that ends before, or closes the arena, hears nothing. Where an array was
// made, the whole pages of it cannot be touched after its release, the rest shows
// nonsense, and what is written there makes the next Make of the block panic;
// elsewhere, and over an array that was bound, a slice goes on showing what is there. In every build Data panics after
// Release. The race detector itself sees no memory outside of Go's heap: it knows
// nothing of the elements of arrays.
//
// # Failure
//
// A full /dev/shm is a [*SpaceError] when the segment is made, never a SIGBUS at
// the first store. A name, a Ref or a file that comes from outside is checked
// before it is used and refused with a reason ([ErrName], [*RefError],
// [ErrForeign]). A process killed by SIGKILL leaves its files behind; [GC]
// removes them once the kernel has dropped the run's lock, and nothing else.
//
// # Platforms
//
// Linux 5.10 or newer on amd64 and arm64. Elsewhere everything compiles and
// returns an error that wraps [errors.ErrUnsupported].
package shm
