package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/cmd/handoff/internal/chaos"
	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	_ "example.com/handoff/pool/batch/ops" // registers them
	"example.com/handoff/pool/journal"
)

type runFlags struct {
	job                   batch.Job
	json, isolation, halt string
	quarantine            string
	joblog, metrics       string
	workers, retries      int
	memory                byteSize
	timeout               time.Duration
	quiet, retriesGiven   bool
	temporary             string // the folder that has the outputs instead, of tune
	fullWhile             string // the disk is full while this file is there, of chaos
}

// mostQuarantined bounds the rows that --quarantine leaves out.
const mostQuarantined = 1000

func runCommand(s streams) *cobra.Command {
	c, _ := newRunCommand(s)
	return c
}

func newRunCommand(s streams) (*cobra.Command, *runFlags) {
	f := &runFlags{isolation: string(pool.Process), halt: string(batch.HaltNow), retries: 2}
	c := &cobra.Command{
		Use:   "run INPUT… --op NAME [flags]",
		Short: "Run a numeric batch over worker processes, and go on where it was killed",
		Long: `Read Arrow IPC files and streams (known by their content) or CSV files with a
header (.csv) into shared memory and run an operation over their numeric columns
in worker processes, which are handed each chunk by name. Several inputs with
the same columns are one table.

` + opsHelp() + `
Parameters are given as in --op rolling:window=7,stat=median. The result is the
same to the last byte whatever the workers and isolation, and however often the
job was killed and resumed; JSON and CSV also whatever --chunk-rows. In an Arrow
file the values are the same too, but the record batches are the chunks.

In CSV every number is a float64, an empty cell is null, a line without any
character is passed over, and a column without a number in the first 64 KiB is
text. Text and other columns that hold no numbers are skipped, and said so; one
that holds both is an error, and so is a file without any numbers. Only columns
that --columns names are looked at, and these must hold numbers.

With --state a journal of the chunks that are done is kept in a folder until the
job has succeeded. A job that was killed, or stopped by a full disk or a signal,
goes on from there with --resume and the same command. The first signal lets
the chunks that run end, within 5 s; the second ends at once. Without --state the
first does.

Exit status: 0 done, 1 failed, 2 a mistake in the command line, 3 done but for
rows that --quarantine or --input-quarantine left out, 128+n ended by signal n.`,
		Example: `  handoff run flights.arrow --op describe
  handoff run a.csv b.csv --op describe --workers 4 --out result.json --json summary.json
  handoff run flights.arrow --op zscore --out z.arrow --state job
  handoff run flights.arrow --op zscore --out z.arrow --state job --resume`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("an input file is needed")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			f.job.Inputs, f.retriesGiven = args, c.Flags().Changed("retries")
			if err := f.check(); err != nil {
				return err
			}
			return runJob(c.Context(), s, f)
		},
	}
	f.register(c.Flags())
	return c, f
}

func (f *runFlags) register(fl *pflag.FlagSet) {
	fl.StringVar(&f.job.Op, "op", "", "the operation, `NAME` or NAME:param=value,…: "+opNames())
	fl.StringSliceVar(&f.job.Columns, "columns", nil, "only these columns, `NAMES` with commas between")
	fl.StringVar(&f.job.Out, "out", "", "write the result to `FILE` (default: standard output); .arrow and .csv for rows")
	workersFlag(fl, &f.workers)
	fl.Var(count{&f.job.ChunkRows, manyRows}, "chunk-rows", "most rows handed over at once (default 65536)")
	fl.Var(choice{&f.isolation, []string{string(pool.Process), string(pool.Goroutine)}}, "isolation", "what a worker is")
	fl.StringVar(&f.job.State, "state", "", "keep what is done in the folder `DIR` until the job has succeeded")
	fl.BoolVar(&f.job.KeepState, "keep-state", false, "and after that")
	fl.BoolVar(&f.job.Resume, "resume", false, "go on with the job in --state")
	fl.Var(natural{&f.retries, 254}, "retries", "how often a task is tried again after its worker died; with --quarantine by default 0")
	fl.DurationVar(&f.timeout, "timeout", 0, "kill a task that runs longer than `TIME`, as 30s (default: never)")
	fl.Var(&f.memory, "mem-per-worker", "the most private memory of a worker, `SIZE` as 512MiB (default: no limit)")
	fl.Var(choice{&f.halt, []string{"now", "soon", "never"}}, "halt", "when a chunk fails, cancel the others, finish those that run, or do all")
	fl.StringVar(&f.quarantine, "quarantine", "", fmt.Sprintf("leave rows out that kill their workers, at most %d, and write them to `FILE` (.arrow, .csv), which can be an input; an earlier file of that name goes, also if no row is left out", mostQuarantined))
	fl.StringVar(&f.job.InputQuarantine, "input-quarantine", "", "leave lines of CSV out that cannot be parsed, and write them to `FILE` (CSV: file, line, text); an earlier file of that name goes, also if none is")
	fl.StringVar(&f.joblog, "joblog", "", "append a line for each attempt of each task to `FILE`")
	fl.StringVar(&f.metrics, "metrics", "", "serve Prometheus metrics at `ADDR`, as localhost:9090, path /metrics")
	jsonFlag(fl, &f.json, "the summary")
	fl.BoolVar(&f.quiet, "quiet", false, "no progress and no summary on standard error")
	fl.StringVar(&f.fullWhile, chaos.FullWhileFlag, "", "")
	_ = fl.MarkHidden(chaos.FullWhileFlag) // it is for the runs of handoff chaos
}

// opsHelp is the operations for the help.
func opsHelp() string {
	var b strings.Builder
	for _, op := range batch.Ops() {
		fmt.Fprintf(&b, "  %-10s %s\n", op.Name, op.Doc)
		for _, p := range op.Params {
			fmt.Fprintf(&b, "  %-10s   %s=%s: %s\n", "", p.Name, p.Default, p.Doc)
		}
	}
	return b.String()
}

func opNames() string {
	var names []string
	for _, op := range batch.Ops() {
		names = append(names, op.Name)
	}
	return strings.Join(names, ", ")
}

// configure makes the job of the flags.
func (f *runFlags) configure() {
	f.job.Pool = pool.Options{
		Workers: f.workers, Isolation: pool.Isolation(f.isolation), Attempts: f.retries + 1, TaskTimeout: f.timeout, MemoryLimit: int64(f.memory),
	}
	f.job.Halt = batch.Halt(f.halt)
	if f.quarantine != "" {
		f.job.Quarantine, f.job.QuarantineFile = mostQuarantined, f.quarantine
		if !f.retriesGiven {
			f.job.Pool.Attempts = 1
		}
	}
}

func runJob(ctx context.Context, s streams, f *runFlags) (err error) {
	result, summary, err := openOutputs(s, f)
	if err != nil {
		return err
	}
	bar := newProgress(s.err, strings.SplitN(f.job.Op, ":", 2)[0], f.quiet)
	defer bar.end(false)
	began := false // there may be something to go on with
	f.job.Progress = func(p batch.Progress) {
		began = true
		bar.showRows(p.Done, p.Total, p.Rows)
	}
	f.configure()
	f.job.FS = chaos.DiskFullWhile(f.fullWhile)
	if f.joblog != "" {
		log, openErr := openJoblog(f.joblog)
		if openErr != nil {
			return openErr
		}
		f.job.Pool.OnAttempt = log.write
		defer func() { err = errors.Join(err, log.close()) }()
	}
	if f.metrics != "" {
		m, err := serveMetrics(f.metrics)
		if err != nil {
			return err
		}
		defer m.close()
		bar.note("metrics are at " + m.url)
		f.job.Started = m.show
	}
	if f.job.State != "" {
		f.job.Drain = ctx.Done()
		defer context.AfterFunc(ctx, func() {
			bar.note("stopping: the chunks that run are finished first, within 5 s; a second signal ends at once")
		})()
		ctx = secondSignal(ctx)
	}
	res, err := batch.Run(ctx, f.job)
	bar.end(err == nil)
	if err == nil {
		return tell(s, f, res, result, summary)
	}
	if errors.Is(err, batch.ErrNoOut) {
		return errNoOut
	}
	err = f.advise(ctx, err, began)
	if f.json != "" {
		err = errors.Join(err, writeFailure(summary, res, err))
	}
	return err
}

// errNoOut is [batch.ErrNoOut] in the command's words.
var errNoOut = usagef("rows need a file: give --out FILE, .arrow or .csv")

// advise adds to an error how to go on.
func (f *runFlags) advise(ctx context.Context, err error, began bool) error {
	switch {
	case errors.Is(err, journal.ErrExists):
		return fmt.Errorf("%w; --resume does the former", err)
	case errors.Is(err, files.ErrCell) && (f.job.State == "" || !began):
		return fmt.Errorf("%w\nto read other columns only, name them with --columns NAMES", err)
	case errors.Is(err, batch.ErrDrained):
		return fmt.Errorf("%w: continue by the same command with --resume", err)
	case f.job.State != "" && ctx.Err() != nil && errors.Is(err, context.Canceled):
		return errors.New("interrupted: continue by the same command with --resume")
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case f.job.State == "" || !began || errors.Is(err, files.ErrChanged) || errors.Is(err, batch.ErrStartAgain):
		return err
	case isInputError(err):
		advice := "what is done is kept in %s, for the inputs as they are: "
		if row := (*files.RowError)(nil); errors.As(err, &row) && f.job.InputQuarantine == "" {
			advice += "go on without such lines with --resume --input-quarantine FILE, or "
		}
		if errors.Is(err, files.ErrCell) {
			advice += "leave its column out with --columns NAMES, or "
		}
		return fmt.Errorf("%w\n"+advice+"correct the input and start again with another --state", err, f.job.State)
	}
	return fmt.Errorf("%w\nwhat is done is kept in %s: correct this and continue by the same command with --resume", err, f.job.State)
}

// isInputError reports that it is an input that would have to be mended, which makes
// another job of it.
func isInputError(err error) bool {
	var row *files.RowError
	return errors.As(err, &row) || errors.Is(err, files.ErrCorrupt) || errors.Is(err, files.ErrColumn) || errors.Is(err, files.ErrCell) || errors.Is(err, files.ErrUnsupported)
}

// openOutputs says at once what cannot be written. The file that gets the result is
// written by the job, a stream when the job is done.
func openOutputs(s streams, f *runFlags) (result, summary *output, err error) {
	stream := f.job.Out == "" || isStream(f.job.Out)
	switch {
	case !stream:
		_, err = openOutput(f.job.Out, s.out)
		result = &output{w: io.Discard}
	case f.job.State != "":
		err = fmt.Errorf("--state: %s cannot be written exactly once: give a regular file", f.job.Out)
	case f.job.Out == "":
		result, err = openOutput("-", s.out)
	default:
		result, err = openOutput(f.job.Out, s.out)
		f.job.Out = ""
	}
	for _, name := range []string{f.quarantine, f.job.InputQuarantine} {
		if err == nil && isStream(name) {
			err = fmt.Errorf("rows that are left out cannot go to %s: expected a regular file, or a name that is not taken", name)
		}
		if err == nil {
			_, err = openOutput(name, s.out)
		}
	}
	if err != nil {
		return nil, nil, err
	}
	summary, err = openOutput(f.json, s.out)
	return result, summary, err
}
