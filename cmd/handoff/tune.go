package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/handoff/pool/batch"
	"example.com/handoff/pool/tune"
)

type tuneFlags struct {
	rounds, maxWidth int
	json             string
	quiet            bool
}

const tunedStage = "workers"

func tuneCommand(s streams) *cobra.Command {
	f := &tuneFlags{}
	c := &cobra.Command{
		Use:   "tune [flags] -- run INPUT… --op NAME [flags of run]",
		Short: "Find by experiment how many workers a job needs",
		Long: `Run a job again and again, with twice the workers and with half, and say how
many are worth it: more are recommended only where they make it faster by more
than the noise and 5 %, and fewer where that costs nothing.

Runs alternate in random order, and a sign test judges them, so a busy
machine makes the answer late or unclear and hardly ever wrong. It starts with
the physical cores that this process can use, or with --workers of the job.

The job runs in this process, with all it does but one thing: its output goes to a
temporary folder beside --out, which is removed, and --out is not touched. What
keeps anything beside the output is refused: --state, --json, --joblog, --metrics.`,
		Example: `  handoff tune -- run flights.arrow --op describe
  handoff tune --max-width 16 --json tune.json -- run big.csv --op rolling:window=24,stat=median --out r.arrow`,
		Args: func(c *cobra.Command, args []string) error {
			switch dash := c.ArgsLenAtDash(); {
			case len(args) == 0:
				return usagef("a job is needed: -- run INPUT… --op NAME")
			case dash != 0:
				return usagef("the job goes behind --, as in: tune -- run INPUT… --op NAME")
			case args[0] != "run":
				return usagef("only a run job can be tuned, not %.60q", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			job, err := tunedJob(args[1:])
			if err != nil {
				return err
			}
			if err := job.checkReport(f.json); err != nil {
				return err
			}
			if f.maxWidth == 1 {
				return usagef("--max-width 1: expected 2 or more")
			}
			return runTune(c.Context(), s, f, job)
		},
	}
	fl := c.Flags()
	fl.Var(count{&f.rounds, 200}, "rounds", "most runs of each setting (default: 7 in quiet, up to 21 in noise)")
	fl.Var(count{&f.maxWidth, 1 << 15}, "max-width", "most workers that are tried (default: four times the usable cores)")
	jsonFlag(fl, &f.json, "the report")
	fl.BoolVar(&f.quiet, "quiet", false, "no progress on standard error")
	return c
}

// tunedJob reads the command line of the job.
func tunedJob(args []string) (*runFlags, error) {
	c, job := newRunCommand(streams{io.Discard, io.Discard})
	fl := c.Flags()
	if err := fl.Parse(args); err != nil {
		return nil, usagef("run: %w", err)
	}
	for _, name := range []string{"state", "keep-state", "resume", "json", "joblog", "metrics"} {
		if fl.Changed(name) {
			return nil, usagef("run: --%s cannot be tuned with: a job is run many times, and leaves nothing", name)
		}
	}
	if fl.NArg() == 0 {
		return nil, usagef("run: an input file is needed")
	}
	job.job.Inputs = fl.Args()
	if err := job.check(); err != nil {
		return nil, usagef("run: %w", err)
	}
	return job, nil
}

func runTune(ctx context.Context, s streams, f *tuneFlags, job *runFlags) (err error) {
	out, err := openOutput(f.json, s.out)
	if err != nil {
		return err
	}
	if err := job.moveOutputs(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(job.temporary)) }()
	bar := newProgress(s.err, "tune", f.quiet)
	opts := &tune.Options{Rounds: f.rounds, MaxWidth: f.maxWidth, Progress: func(p tune.Progress) {
		bar.show(int64(1000*p.Done), 1000, fmt.Sprintf("%s, run %d", p.Doing, p.Run))
	}}
	stages := []tune.Stage{{Name: tunedStage, Kind: tune.CPU, Width: job.workers}}
	report, err := tune.Run(ctx, stages, job.once, opts)
	bar.end(err == nil)
	switch {
	case errors.Is(err, tune.ErrOptions):
		return usagef("%w", err)
	case errors.Is(err, batch.ErrNoOut):
		return errNoOut
	}
	if err != nil {
		return err
	}
	if f.json != "-" {
		if _, err := io.WriteString(s.out, report.String()); err != nil {
			return err
		}
	}
	if f.json == "" {
		return nil
	}
	if err := writeJSON(out, report); err != nil {
		return err
	}
	return out.Commit()
}

// once is one run of the job.
func (f *runFlags) once(ctx context.Context, w tune.Widths) (time.Duration, error) {
	f.job.Pool.Workers = w[tunedStage]
	begun := time.Now()
	_, err := batch.Run(ctx, f.job)
	return time.Since(begun), err
}

// moveOutputs sends all outputs of the job to a folder that is removed. It lies beside
// --out, on the same disk.
func (f *runFlags) moveOutputs() (err error) {
	parent := ""
	if f.job.Out != "" && !isStream(f.job.Out) {
		parent = filepath.Dir(f.job.Out)
	}
	if f.temporary, err = os.MkdirTemp(parent, ".handoff-tune-*"); err != nil {
		return outputError(f.job.Out, err)
	}
	f.configure()
	for i, name := range []*string{&f.job.Out, &f.job.QuarantineFile, &f.job.InputQuarantine} {
		switch {
		case *name == "":
		case isStream(*name):
			*name = ""
		default:
			*name = filepath.Join(f.temporary, fmt.Sprint(i)+strings.ToLower(filepath.Ext(*name)))
		}
	}
	return nil
}
