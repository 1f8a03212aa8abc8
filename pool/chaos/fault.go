package chaos

import (
	"fmt"
	"slices"
	"time"
)

// A Fault is one way to harm a worker.
type Fault string

const (
	Kill    Fault = "kill"    // SIGKILL
	Segv    Fault = "segv"    // SIGSEGV from outside, on which Go gives up
	Pause   Fault = "pause"   // SIGSTOP, and SIGCONT after a while
	Freeze  Fault = "freeze"  // SIGSTOP, until the pool's Timeouts.Stop or the end of the storm
	Exit0   Fault = "exit0"   // os.Exit(0), as if all were well
	Exit1   Fault = "exit1"   // os.Exit(1)
	Garbage Fault = "garbage" // a message on the worker's socket that means nothing
	Memory  Fault = "memory"  // a heap that grows past the pool's MemoryLimit
)

// allFaults is their order in a script and in a report.
var allFaults = [...]Fault{Kill, Segv, Pause, Freeze, Exit0, Exit1, Garbage, Memory}

// A Plan says what a storm does. The zero value and nil work; Start copies it.
type Plan struct {
	// Seed decides the sequence of decisions. 0: a random one, which
	// [Storm.Seed] and the report tell.
	Seed uint64
	// Faults are those that are dealt; their order means nothing. Empty: all but Freeze, which takes as long as
	// Options.Timeouts.Stop, 10 s unless it is set; and Memory only where the pool has
	// a MemoryLimit.
	Faults []Fault
	// Every is the mean pause between two faults. Pauses are exponentially
	// distributed and at most eight times as long, so that faults come close
	// together now and then. The stops of Pause are as long. 0: 50 ms.
	Every time.Duration
	// Most is how many faults there are before the storm calms down by itself,
	// stops that are left out included. 0: no bound.
	Most int
}

const defaultEvery = 50 * time.Millisecond

// withDefaults checks a plan and fills it in. limited reports whether the pool
// has a MemoryLimit.
func (plan *Plan) withDefaults(limited bool) (Plan, error) {
	var c Plan
	if plan != nil {
		c = *plan
	}
	if c.Every < 0 || c.Most < 0 {
		return c, fmt.Errorf("chaos: negative value in %+v", c)
	}
	for i, f := range c.Faults {
		switch {
		case !slices.Contains(allFaults[:], f):
			return c, fmt.Errorf("chaos: unknown fault %q, expected some of %v", f, allFaults)
		case slices.Contains(c.Faults[:i], f):
			return c, fmt.Errorf("chaos: fault %q is there twice", f)
		case f == Memory && !limited:
			return c, fmt.Errorf("chaos: fault %q, and the pool has no Options.MemoryLimit", f)
		}
	}
	var faults []Fault
	for _, f := range allFaults {
		if slices.Contains(c.Faults, f) || len(c.Faults) == 0 && f != Freeze && (f != Memory || limited) {
			faults = append(faults, f)
		}
	}
	c.Faults = faults
	if c.Every == 0 {
		c.Every = defaultEvery
	}
	return c, nil
}
