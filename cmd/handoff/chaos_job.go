package main

import (
	"errors"
	"io"

	"github.com/spf13/pflag"

	"example.com/handoff/cmd/handoff/internal/chaos"
	"example.com/handoff/pool"
)

// readChaosJob reads what comes after "run": the job, and its flags.
func readChaosJob(s streams, args []string) (j chaos.Job, f *runFlags, err error) {
	j.Args = args
	c, f := newRunCommand(streams{io.Discard, s.err})
	fl := c.Flags()
	if err := fl.Parse(args); errors.Is(err, pflag.ErrHelp) {
		return j, f, usagef("run --help: see handoff run --help")
	} else if err != nil {
		return j, f, usagef("run: %w", err)
	}
	if err := refuseEmpty(fl); err != nil {
		return j, f, usagef("run: %w", err)
	}
	if err := c.Args(c, fl.Args()); err != nil {
		return j, f, err
	}
	for _, name := range []string{"state", "keep-state", "resume", "json", "joblog", "metrics", chaos.FullWhileFlag} {
		if fl.Changed(name) {
			return j, f, usagef("run --%s: leave it out, chaos runs the job many times and sets this itself", name)
		}
	}
	if f.isolation != string(pool.Process) {
		return j, f, usagef("run --isolation %s: chaos is for jobs with worker processes", f.isolation)
	}
	f.job.Inputs = fl.Args()
	if err := f.check(); err != nil {
		return j, f, err
	}
	if f.job.Out != "" && isStream(f.job.Out) {
		return j, f, usagef("run --out %s: expected a regular file: the runs of chaos write files with its name", f.job.Out)
	}
	j.Dash = len(args)
	if n := fl.ArgsLenAtDash(); n >= 0 {
		j.Dash = len(args) - (len(fl.Args()) - n) - 1
	}
	j.Out, j.Quarantine, j.InputQuarantine, j.Retries, j.Groups = f.job.Out, f.quarantine, f.job.InputQuarantine, fl.Changed("retries"), f.memory > 0
	return j, f, nil
}
