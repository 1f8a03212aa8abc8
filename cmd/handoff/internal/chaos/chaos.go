// Package chaos runs a job of handoff run under kills, stops, full disks and resumes,
// and compares what comes of it with what the same job gives undisturbed.
package chaos

import (
	"time"

	"example.com/handoff/pool/chaos"
)

// A Test is one test of a job.
type Test struct {
	Job    Job
	Faults []Fault // in the order of [Kinds]
	Seed   uint64
	Rounds int           // how often the job is run under faults
	Every  time.Duration // mean pause between two faults; 0: an eighth of the undisturbed time, which Run sets
	Show   func(text string)
	Report Report // what Run has found
	// Spoil, of the tests, is called with the folder of each round's output when the
	// round is over.
	Spoil func(round int, out string)
}

// The exit codes of the job.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitSome    = 3 // done, but for rows that were left out
)

// A UsageError carries the job's own message about a mistake in its command line.
type UsageError struct{ Said string }

func (e *UsageError) Error() string { return e.Said }

// longestStop is well below the time after which a pool takes a worker that is stopped
// for dead.
const longestStop = 3 * time.Second

func (t *Test) engine() *chaos.Engine {
	var faults []chaos.Fault
	for _, name := range t.Faults {
		for _, k := range Kinds {
			if k.Name == name {
				faults = append(faults, k.fault)
			}
		}
	}
	e := chaos.NewEngine(t.Seed, faults, t.Every)
	e.MostStop = longestStop
	return e
}
