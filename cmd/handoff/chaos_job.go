package main

import (
	"errors"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"example.com/handoff/pool"
)

// A chaosJob is the command line of the job under test.
type chaosJob struct {
	args   []string // without the verb
	dash   int      // where further flags go: before a -- in args, or at their end
	out    string   // as given; "" without
	given  *runFlags
	blames bool // --quarantine: workers that die blame rows
	retry  bool // --retries was given
}

// readChaosJob reads what comes after "run".
func readChaosJob(s streams, args []string) (j chaosJob, err error) {
	j.args = args
	c, f := newRunCommand(streams{io.Discard, s.err})
	fl := c.Flags()
	if err := fl.Parse(args); errors.Is(err, pflag.ErrHelp) {
		return j, usagef("run --help: see handoff run --help")
	} else if err != nil {
		return j, usagef("run: %w", err)
	}
	if err := refuseEmpty(fl); err != nil {
		return j, usagef("run: %w", err)
	}
	if err := c.Args(c, fl.Args()); err != nil {
		return j, err
	}
	for _, name := range []string{"state", "keep-state", "resume", "json", "joblog", "metrics", fullWhileFlag} {
		if fl.Changed(name) {
			return j, usagef("run --%s: leave it out, chaos runs the job many times and sets this itself", name)
		}
	}
	if f.isolation != string(pool.Process) {
		return j, usagef("run --isolation %s: chaos is for jobs with worker processes", f.isolation)
	}
	f.job.Inputs = fl.Args()
	if err := f.check(); err != nil {
		return j, err
	}
	if f.job.Out != "" && isStream(f.job.Out) {
		return j, usagef("run --out %s: expected a regular file: the runs of chaos write files with its name", f.job.Out)
	}
	j.dash = len(args)
	if n := fl.ArgsLenAtDash(); n >= 0 {
		j.dash = len(args) - (len(fl.Args()) - n) - 1
	}
	j.out, j.given, j.blames, j.retry = f.job.Out, f, f.quarantine != "", fl.Changed("retries")
	return j, nil
}

// The names in the folder of a run.
const (
	chaosOutDir   = "out"         // what the job writes for its user
	chaosStateDir = "state"       // --state
	chaosSummary  = "summary"     // --json
	chaosResult   = "result.json" // in chaosOutDir, without --out
	chaosStderr   = "stderr"
	chaosLog      = "attempts" // --joblog
	chaosDisk     = "full"     // is there while the disk is full
)

// command is the command line of a run in a folder. One under faults has a state, which
// it keeps when it is done if keep says so.
func (j *chaosJob) command(dir string, faults, keep bool) []string {
	out := filepath.Join(dir, chaosOutDir)
	more := []string{"--quiet", "--json", filepath.Join(dir, chaosSummary), "--joblog", filepath.Join(dir, chaosLog)}
	switch {
	case j.out != "":
		more = append(more, "--out", filepath.Join(out, filepath.Base(j.out)))
	case faults: // which needs a file; without it the result goes to standard output
		more = append(more, "--out", filepath.Join(out, chaosResult))
	}
	if q := j.given.quarantine; q != "" {
		more = append(more, "--quarantine", filepath.Join(out, "quarantine-"+filepath.Base(q)))
	}
	if q := j.given.job.InputQuarantine; q != "" {
		more = append(more, "--input-quarantine", filepath.Join(out, "input-quarantine-"+filepath.Base(q)))
	}
	if !j.retry {
		more = append(more, "--retries", "254")
	}
	if faults {
		more = append(more, "--state", filepath.Join(dir, chaosStateDir), "--resume", "--"+fullWhileFlag, filepath.Join(dir, chaosDisk))
	}
	if keep {
		more = append(more, "--keep-state")
	}
	return slices.Concat([]string{"run"}, j.args[:j.dash], more, j.args[j.dash:])
}
