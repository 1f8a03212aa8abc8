package proc

import (
	"os"
	"time"
)

// A Process is one incarnation of a worker: a [Child], or a [Local] of goroutines.
type Process interface {
	PID() int
	Terminate() // SIGTERM
	Kill()      // SIGKILL to its whole process group
	// Dead is closed when it is dead and its group was killed, or at the latest
	// Config.KillTime after Kill.
	Dead() <-chan struct{}
	// Left is nil, or says what keeps a process that counts as dead.
	Left() error
	// Exit is valid once Dead is closed.
	Exit() Exit
	// OOMKilled reports whether the kernel has killed it, or another process of its
	// memory cgroup, for memory. Call it once.
	OOMKilled() bool
	// Peak is the most memory that its own memory cgroup has seen, in bytes; 0 if it
	// has none.
	Peak() int64
	// Output is the last of its stdout and stderr. It waits a moment for it after the
	// death.
	Output() string
	// Release waits until it was reaped, unless somebody else holds it, and removes its
	// cgroup. Call it once, after Dead.
	Release()
}

// An Exit is the wait status of a process, with the reason where that is unknown.
type Exit struct {
	Code    int           // −1 if a signal ended it, or if it is unknown
	Signal  string        // "killed", "segmentation fault", …; "" if none
	Unknown string        // why nobody knows its exit status; "" where it is known
	Alive   bool          // it was killed, and has not died in time
	CPU     time.Duration // user and system time; 0 if nobody knows
}

// A Config says how to start a child.
type Config struct {
	Files       []*os.File // descriptors 4, 5, … of the child; 3 is its socket
	Set         []string   // variables of its environment, "KEY=value"
	Env         []string   // more of them, which win; "KEY" passes one of this program's on
	Cores       Cores      // that it may run on
	MemoryLimit int64      // a ceiling in bytes; 0: none
	NoCgroup    bool       // the ceiling is RLIMIT_DATA, also where a cgroup can be made
	Run         string     // with Slot and its process number this names its cgroup
	Slot        int
	Output      func(line []byte) // gets each line that it writes, cut at 300 bytes; may be nil
	KillTime    time.Duration     // how long it may take to die once it was killed. 0: 10 s
}

// Cores are some of those that a thread may use: Most of them, after skipping Skip,
// from the first again after the last. The zero value is all.
type Cores struct{ Skip, Most int }

// A Sample is a look at a process from outside.
type Sample struct {
	OK      bool  // it is there and alive
	Stopped bool  // by a signal or a debugger
	Private int64 // bytes of anonymous memory
	Shared  int64 // bytes of shared memory mapped and touched
}
