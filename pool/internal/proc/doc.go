// Package proc is a worker as a process: a child of this one or, for Isolation =
// Goroutine, goroutines that stand in for it.
//
// # A short tour
//
//   - [Starter] starts this program again as a [Child]: with one end of a socket, the
//     caller's files, an environment, cores and a memory ceiling ([Config]).
//   - [Process] is what a supervisor does with a worker: ask it to end, kill it, wait for its
//     death, and learn of it. [Child] and [Local] are the two there are.
//   - [Link] carries messages and descriptors between both: a SEQPACKET socket, or channels.
//   - [Cgroup], [Cores] and RLIMIT_DATA bound a child.
//   - [Look] and [Clock] measure one, from outside and from inside.
//
// The child itself uses [InheritedSocket], [BuildID], [Clock], [IsShortage] and [EndGroup]; all
// else is the supervisor's. What messages say is no business of this package, nor what a
// death means: see the packages wire and fate.
//
// # Lifetimes
//
// A child leads a process group of its own. A kill reaches the whole group, also after the
// leader is dead, so nothing that a task has started outlives it. When its parent dies, it
// sees the end of its socket and ends its group itself; should it be stopped then, the
// parent-death signal wakes it.
//
//	Start ──► lives ──► dead, group killed ──► output complete ──► reaped ──► Release
//	                       Dead()                 Output()          Left()
//
// Dead comes first because the task of a dead worker must go on at once; reading the rest of
// its output may take a moment, and a debugger may keep it from being reaped for ever.
//
// # Concurrency
//
// All methods of a Child may be called from several goroutines. Exit is written before Dead is
// closed and never after. Send of a Link may be called from several goroutines and never
// blocks; Receive from one.
//
// # Failure
//
// A process is held by its pidfd, never by its number: the number may be another's when
// SIGCHLD is ignored or some other part of the program reaps. Then the exit status is
// unknown, and [Exit] says so. One that does not die within Config.KillTime after SIGKILL counts
// as dead ([Exit].Alive), and Left names what holds it.
//
// # Platforms
//
// Linux 5.10 or newer. Elsewhere NewStarter returns an error that wraps
// [errors.ErrUnsupported].
package proc
