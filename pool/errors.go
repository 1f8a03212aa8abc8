package pool

import (
	"errors"
	"fmt"
	"strings"

	"example.com/handoff/pool/internal/codec"
	"example.com/handoff/pool/internal/fate"
	"example.com/handoff/pool/internal/wire"
)

var (
	// ErrClosed: the pool was closed before the task was finished, or before it was submitted.
	ErrClosed = errors.New("pool: closed")
	// ErrFull: Options.MaxPending tasks are unresolved or not yet waited for. Wait for some and submit again.
	ErrFull = errors.New("pool: too many pending tasks")
	// ErrWaited: the future was already waited for, is being waited for by another
	// goroutine, or was given up by Discard.
	ErrWaited = errors.New("pool: future already waited for, or given up")
	// ErrCancelled: Future.Cancel reached the task before a worker did, or the task ended with an error after it.
	ErrCancelled = errors.New("pool: task cancelled")
	// ErrNoMain: New was called in a worker process: main must call pool.Main first.
	ErrNoMain = errors.New("pool: this process is a worker: call pool.Main() first thing in main, and in TestMain")
	// ErrTooLarge: arguments by value are larger than Options.Arenas.Inputs may be, or than
	// any value can be. Waiting does not help. Of a result it is what a TaskError unwraps to.
	ErrTooLarge = codec.ErrTooLarge
	// ErrWorkerDied: what a *WorkerExitError unwraps to.
	ErrWorkerDied = errors.New("pool: worker died")
)

// A TaskError is the task's own failure: the function returned an error,
// panicked, ended its goroutine, or touched memory of an argument that it must
// not (a store to an input) or cannot (a segment that another program has
// truncated). It is not retried. Kind "resources" is no failure of the task: one worker
// after the other, as many as it may have attempts, could not map its arrays for want of
// descriptors, mappings or memory, and was replaced. The error value itself stays in the worker: its
// text travels, and which errors it is or wraps of those that [RegisterError] knows. Those
// are what a TaskError unwraps to. Where that is [shm.ErrFull], release results or raise the
// budget.
type TaskError struct {
	Func  string // registered name
	Kind  string // "error", "panic", "goexit", "fault" or "resources"
	Text  string // at most about 4 KiB, cut at the end
	Stack string // of a panic or fault, cut at the end

	is error // what it unwraps to, or nil
}

func (e *TaskError) Unwrap() error { return e.is }

func (e *TaskError) Error() string {
	if e.Kind == "error" || e.Kind == "resources" {
		return fmt.Sprintf("%s: %s", e.Func, e.Text)
	}
	return fmt.Sprintf("%s: %s: %s", e.Func, e.Kind, e.Text)
}

var taskErrorKinds = [...]string{
	wire.StatusError: "error", wire.StatusPanic: "panic", wire.StatusGoexit: "goexit",
	wire.StatusFault: "fault", wire.StatusRevoked: "", wire.StatusResources: "resources",
}

// taskError makes a failure in a result the error that users see.
func taskError(fn string, status wire.Status, payload []byte) *TaskError {
	f := wire.ReadFailure(payload)
	return &TaskError{Func: fn, Kind: taskErrorKinds[status], Text: f.Text, Stack: f.Stack, is: sentinelOf(f.Sentinels)}
}

// A WorkerExitError is the death of a worker. It unwraps to [ErrWorkerDied].
type WorkerExitError struct {
	Worker   int // slot, 0 to Workers+Spares−1
	PID      int // of the dead incarnation; 0 if it could not be started at all
	Class    ExitClass
	ExitCode int    // −1 if a signal ended it, or of ExitUnknown
	Signal   string // that ended the process: "killed", "aborted", …; "" if none, as where Go reports a fault and exits
	Func     string // the task it was running; "" if it was idle
	Lo, Hi   int    // of a range: the indices that it was running, from Lo up to Hi
	Attempt  int    // of that task, from 1
	Stderr   string // the last 4 KiB of what it wrote to stdout and stderr, as written, and Go's reason
	Reason   string // of a start or protocol failure, or why the pool has killed it

	Incarnation     int      // of all that the pool has started, from 1
	Evidence        string   // what Class is known from, where it is not the exit status alone
	MemorySuspected bool     // of ExitSignal: killed as another was shortly before, perhaps by a kernel short of memory
	PeakPrivate     int64    // bytes of private memory, the most of looks a second apart and, with Options.OnAttempt, at the ends of attempts, or of all memory, by its own cgroup (Options.MemoryLimit); 0: never looked at
	PeakShared      int64    // bytes of shared memory it had touched, likewise
	Last            []string // what it did last, in words, oldest first: tasks, blocks by number, segments, …; from memory that outlived it
}

func (e *WorkerExitError) Error() string {
	var b strings.Builder
	if e.PID == 0 {
		return fmt.Sprintf("worker %d: %s", e.Worker, e.Reason)
	}
	fmt.Fprintf(&b, "worker %d (pid %d) died", e.Worker, e.PID)
	switch {
	case e.Signal != "":
		fmt.Fprintf(&b, ": signal: %s", e.Signal)
	case e.ExitCode >= 0:
		fmt.Fprintf(&b, ": exit status %d", e.ExitCode)
	}
	switch e.Class {
	case ExitOOM:
		fmt.Fprintf(&b, ", out of memory: %s", e.Evidence)
	case ExitStatus:
		b.WriteString(", by os.Exit or the like")
	case ExitUnknown:
		fmt.Fprintf(&b, ", exit status unknown: %s", e.Evidence)
	}
	if e.Reason != "" {
		fmt.Fprintf(&b, ": %s", e.Reason)
	}
	if e.Func != "" {
		fmt.Fprintf(&b, ", running %s", e.Func)
		if e.Hi > 0 {
			fmt.Fprintf(&b, " [%d, %d)", e.Lo, e.Hi)
		}
		fmt.Fprintf(&b, ", attempt %d", e.Attempt)
	}
	if e.MemorySuspected {
		b.WriteString(" (memory may be short)")
	}
	if line := fate.KeyLine(e.Stderr); line != "" {
		fmt.Fprintf(&b, "; it wrote: %s", line)
	}
	return b.String()
}

func (e *WorkerExitError) Unwrap() error { return ErrWorkerDied }

// An ExitClass says how a worker ended. These are all there are.
type ExitClass string

const (
	ExitStatus   ExitClass = "exit"     // it called os.Exit, with whatever code: in a task that is a crash
	ExitFatal    ExitClass = "fatal"    // Go ended it: a panic in a goroutine of its own, a wild pointer, a full stack, …
	ExitSignal   ExitClass = "signal"   // a signal that the pool did not send
	ExitOOM      ExitClass = "oom"      // the kernel killed it for its memory, or Go found none
	ExitDeadline ExitClass = "deadline" // a task ran longer than Options.TaskTimeout, or a retired worker did not end within Options.Timeouts.Close
	ExitCancel   ExitClass = "cancel"   // a cancelled task did not end within Options.Timeouts.Cancel
	ExitStopped  ExitClass = "stopped"  // it was stopped, or left a task lying, for longer than Options.Timeouts.Stop
	ExitStart    ExitClass = "start"    // it never said hello
	ExitProtocol ExitClass = "protocol" // it broke the protocol and was killed for it
	ExitUnknown  ExitClass = "unknown"  // it is dead, and nobody knows its exit status: SIGCHLD is ignored, another part of the program reaps, or a debugger holds it
)
