package chaos

import (
	"path/filepath"
	"slices"
)

// A Job is the command line of the job under test: handoff run.
type Job struct {
	Args            []string // without the verb
	Dash            int      // where further flags go: before a -- in Args, or at their end
	Out             string   // --out, "" without
	Quarantine      string   // --quarantine
	InputQuarantine string   // --input-quarantine
	Retries         bool     // --retries was given
	Groups          bool     // its workers may have memory cgroups
}

// FullWhileFlag names the flag of handoff run for a file that has [DiskFullWhile].
const FullWhileFlag = "disk-full-while"

// The names in the folder of a run.
const (
	OutDir      = "out"         // what the job writes for its user
	StateDir    = "state"       // --state
	summaryFile = "summary"     // --json
	resultFile  = "result.json" // in OutDir, without --out
	stderrFile  = "stderr"
	logFile     = "attempts" // --joblog
	diskFile    = "full"     // is there while the disk is full
)

// Command is the command line of a run in a folder. One under faults has a state, which
// it keeps when it is done if keep says so.
func (j *Job) Command(dir string, faults, keep bool) []string {
	out := filepath.Join(dir, OutDir)
	more := []string{"--quiet", "--json", filepath.Join(dir, summaryFile), "--joblog", filepath.Join(dir, logFile)}
	switch {
	case j.Out != "":
		more = append(more, "--out", filepath.Join(out, filepath.Base(j.Out)))
	case faults: // which needs a file; without it the result goes to standard output
		more = append(more, "--out", filepath.Join(out, resultFile))
	}
	if q := j.Quarantine; q != "" {
		more = append(more, "--quarantine", filepath.Join(out, "quarantine-"+filepath.Base(q)))
	}
	if q := j.InputQuarantine; q != "" {
		more = append(more, "--input-quarantine", filepath.Join(out, "input-quarantine-"+filepath.Base(q)))
	}
	if !j.Retries {
		more = append(more, "--retries", "254")
	}
	if faults {
		more = append(more, "--state", filepath.Join(dir, StateDir), "--resume", "--"+FullWhileFlag, filepath.Join(dir, diskFile))
	}
	if keep {
		more = append(more, "--keep-state")
	}
	return slices.Concat([]string{"run"}, j.Args[:j.Dash], more, j.Args[j.Dash:])
}
