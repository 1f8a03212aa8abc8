package pool

// An ExitClass says how a worker ended. These are all there are.
type ExitClass string

const (
	ExitStatus   ExitClass = "exit"     // it called os.Exit, with whatever code: in a task that is a crash
	ExitFatal    ExitClass = "fatal"    // Go ended it: a panic in a goroutine of its own, a wild pointer, a full stack, …
	ExitSignal   ExitClass = "signal"   // a signal that the pool did not send
	ExitOOM      ExitClass = "oom"      // the kernel killed it for its memory, or Go found none
	ExitDeadline ExitClass = "deadline" // a task ran longer than Options.TaskTimeout, or a retired worker did not end within CloseTimeout
	ExitCancel   ExitClass = "cancel"   // a cancelled task did not end within Options.CancelGrace
	ExitStopped  ExitClass = "stopped"  // it was stopped, or left a task lying, for longer than Options.StopTimeout
	ExitStart    ExitClass = "start"    // it never said hello
	ExitProtocol ExitClass = "protocol" // it broke the protocol and was killed for it
	ExitUnknown  ExitClass = "unknown"  // it is dead, and nobody knows its exit status: SIGCHLD is ignored, another part of the program reaps, or a debugger holds it
)
