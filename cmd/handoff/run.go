package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	_ "example.com/handoff/pool/batch/ops" // registers them
)

type runFlags struct {
	job                   batch.Job
	json, isolation, halt string
	quarantine            string
	joblog, metrics       string
	workers, retries      int
	memory                byteSize
	timeout               time.Duration
	quiet                 bool
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
in worker processes, which are handed each piece by name. Several inputs with
the same columns are one table.

` + opsHelp() + `
Parameters are given as in --op rolling:window=7,stat=median. The result is the
same to the last byte whatever the workers, chunks or isolation, and however
often the job was killed and resumed.

In CSV an empty cell is null, a line without any character is passed over, and a
column whose first value is no number is text. Other columns are skipped, and
said so.

With --state a journal of the chunks that are done is kept in a folder until the
job has succeeded. A job that was killed, or stopped by a full disk or a signal,
goes on from there with --resume and the same command. The first signal lets
the chunks that run end, within 5 s; the second ends at once.`,
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
			f.job.Inputs = args
			if err := f.check(); err != nil {
				return err
			}
			return runJob(c.Context(), s, f)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.job.Op, "op", "", "the operation, `NAME` or NAME:param=value,…: "+opNames())
	fl.StringSliceVar(&f.job.Columns, "columns", nil, "only these columns, `NAMES` with commas between")
	fl.StringVar(&f.job.Out, "out", "", "write the result to `FILE` (default: standard output); .arrow and .csv for rows")
	workersFlag(fl, &f.workers)
	fl.Var(count{&f.job.ChunkRows, manyRows}, "chunk-rows", "most rows handed over at once (default 65536)")
	fl.Var(choice{&f.isolation, []string{string(pool.Process), string(pool.Goroutine)}}, "isolation", "what a worker is")
	fl.StringVar(&f.job.State, "state", "", "keep what is done in the folder `DIR` until the job has succeeded")
	fl.BoolVar(&f.job.KeepState, "keep-state", false, "and after that")
	fl.BoolVar(&f.job.Resume, "resume", false, "go on with the job in --state")
	fl.Var(natural{&f.retries, 254}, "retries", "how often a task is tried again after its worker died")
	fl.DurationVar(&f.timeout, "timeout", 0, "kill a task that runs longer than `TIME`, as 30s (default: never)")
	fl.Var(&f.memory, "mem-per-worker", "the most private memory of a worker, `SIZE` as 512MiB (default: no limit)")
	fl.Var(choice{&f.halt, []string{"now", "soon", "never"}}, "halt", "when a chunk fails, cancel the others, finish those that run, or do all")
	fl.StringVar(&f.quarantine, "quarantine", "", fmt.Sprintf("leave rows out that kill their workers, at most %d, and write them to `FILE` (.arrow, .csv)", mostQuarantined))
	fl.StringVar(&f.job.InputQuarantine, "input-quarantine", "", "leave lines out that cannot be parsed, and write them to `FILE` (CSV)")
	fl.StringVar(&f.joblog, "joblog", "", "append a line for each attempt of each task to `FILE`")
	fl.StringVar(&f.metrics, "metrics", "", "serve Prometheus metrics at `ADDR`, as localhost:9090, path /metrics")
	jsonFlag(fl, &f.json, "the summary")
	fl.BoolVar(&f.quiet, "quiet", false, "no progress and no summary on standard error")
	return c, f
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

// check finds what is wrong with the command line.
func (f *runFlags) check() error {
	j := &f.job
	if j.Op == "" {
		return usagef("--op is needed: %s", opNames())
	}
	if _, _, err := batch.Lookup(j.Op); err != nil {
		return usagef("--op: %w", err)
	}
	if j.Out == "-" {
		j.Out = ""
	}
	if f.json == "-" && j.Out == "" {
		return usagef("--json - and the result would both go to standard output: give --out FILE")
	}
	switch {
	case j.State == "" && j.Resume:
		return usagef("--resume needs --state DIR")
	case j.State == "" && j.KeepState:
		return usagef("--keep-state needs --state DIR")
	case j.State != "" && j.Out == "":
		return usagef("--state needs --out FILE: what goes to standard output cannot be written exactly once")
	case f.timeout < 0:
		return usagef("--timeout %v: expected 0 or more", f.timeout)
	}
	outs := map[string]string{"--out": j.Out, "--json": f.json, "--quarantine": f.quarantine, "--input-quarantine": j.InputQuarantine, "--joblog": f.joblog}
	for a, name := range outs {
		for b, other := range outs {
			if a < b && name != "" && other != "" && name != "-" && sameFile(name, other) {
				return usagef("%s and %s name the same file", a, b)
			}
		}
		for _, in := range j.Inputs {
			if name != "" && sameFile(in, name) {
				return usagef("%s is an input and would be overwritten", in)
			}
		}
	}
	return nil
}

func runJob(ctx context.Context, s streams, f *runFlags) (err error) {
	result, err := openOutput("", s.out)
	if f.job.Out == "" {
		result, err = openOutput("-", s.out)
	} else if isStream(f.job.Out) {
		result, err = openOutput(f.job.Out, s.out)
		if f.job.State != "" {
			return fmt.Errorf("--state: %s cannot be written exactly once: give a regular file", f.job.Out)
		}
		f.job.Out = ""
	}
	if err != nil {
		return err
	}
	summary, err := openOutput(f.json, s.out)
	if err != nil {
		return err
	}
	bar := newProgress(s.err, strings.SplitN(f.job.Op, ":", 2)[0], f.quiet)
	f.job.Progress = func(p batch.Progress) { bar.show(p.Done, p.Total, fmt.Sprintf("%d rows", p.Rows)) }
	f.job.Pool = pool.Options{
		Workers: f.workers, Isolation: pool.Isolation(f.isolation), Attempts: f.retries + 1, TaskTimeout: f.timeout, MemoryLimit: int64(f.memory),
	}
	f.job.Halt = batch.Halt(f.halt)
	f.job.FS = chaosFS()
	if f.quarantine != "" {
		f.job.Quarantine, f.job.QuarantineFile = mostQuarantined, f.quarantine
		f.job.Pool.Attempts = 1
	}
	if f.joblog != "" {
		log, err := openJoblog(f.joblog)
		if err != nil {
			return err
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
		f.job.Started = m.show
	}
	if f.job.State != "" {
		f.job.Drain = ctx.Done()
		ctx = secondSignal(ctx)
	}
	res, err := batch.Run(ctx, f.job)
	bar.end()
	if errors.Is(err, batch.ErrDrained) {
		return fmt.Errorf("%w: go on with --resume", err)
	}
	if errors.Is(err, batch.ErrNoOut) {
		return usagef("%w", err)
	}
	if err != nil {
		return err
	}
	return tell(s, f, res, result, summary)
}

// tell says what a job has done.
func tell(s streams, f *runFlags, res *batch.Result, result, summary *output) error {
	if res.FromStart {
		fmt.Fprintf(s.err, "no journal in %s: started from the beginning\n", f.job.State)
	}
	if res.Finished {
		fmt.Fprintf(s.err, "the job in %s is finished: nothing was done\n", f.job.State)
	}
	tellSkipped(s.err, res)
	if !f.quiet && !res.Finished {
		fmt.Fprintln(s.err, summaryLine(res.Summary, f.isolation))
	}
	if f.job.Out == "" {
		if err := writeJSON(result, res.Value); err != nil {
			return err
		}
	}
	if f.json != "" {
		if err := writeJSON(summary, res.Summary); err != nil {
			return err
		}
	}
	if err := result.Commit(); err != nil {
		return err
	}
	if err := summary.Commit(); err != nil {
		return err
	}
	if n := res.Summary.Quarantined + res.Summary.Unparsed; n > 0 {
		return &quarantinedError{res, f}
	}
	return nil
}

// A quarantinedError ends a job that is done but for some rows.
type quarantinedError struct {
	res *batch.Result
	f   *runFlags
}

func (e *quarantinedError) Error() string {
	var parts []string
	if n := e.res.Summary.Quarantined; n > 0 {
		parts = append(parts, fmt.Sprintf("%d rows that killed their workers are in %s", n, e.f.quarantine))
		if len(e.res.Quarantined) > 0 {
			q := e.res.Quarantined[0]
			parts[0] += fmt.Sprintf(" (the first is row %d of %s: %s)", q.Row, q.Input, q.Reason)
		}
	}
	if n := e.res.Summary.Unparsed; n > 0 {
		parts = append(parts, fmt.Sprintf("%d lines that cannot be parsed are in %s", n, e.f.job.InputQuarantine))
	}
	return "done, but " + strings.Join(parts, ", and ")
}

func tellSkipped(w io.Writer, res *batch.Result) {
	const most = 5
	for i, sk := range res.Skipped {
		if i == most {
			fmt.Fprintf(w, "skipped %d more columns\n", len(res.Skipped)-most)
			break
		}
		fmt.Fprintf(w, "skipped column %q: %s\n", sk.Name, sk.Why)
	}
	if res.Columns == 0 {
		fmt.Fprintln(w, "there is no numeric column")
	}
}

// isStream reports whether an output is something that cannot be replaced.
func isStream(name string) bool {
	info, err := os.Stat(name)
	return strings.HasPrefix(name, "/dev/") || strings.HasPrefix(name, "/proc/") || err == nil && !info.Mode().IsRegular() && !info.IsDir()
}

// summaryLine is the summary for people.
func summaryLine(s batch.Summary, isolation string) string {
	kind := "worker processes"
	if isolation == string(pool.Goroutine) {
		kind = "worker goroutines"
	}
	chunks := fmt.Sprintf("%d chunks", s.Chunks)
	if s.ChunksReused > 0 {
		chunks += fmt.Sprintf(" (%d done before)", s.ChunksReused)
	}
	var workers []string
	for _, w := range s.Workers {
		workers = append(workers, fmt.Sprintf("pid %d: %d", w.PID, w.Tasks))
	}
	line := fmt.Sprintf("%d rows in %s, %.2f s, %d %s (tasks by %s); %s handed over by Ref, %s copied",
		s.Rows, chunks, s.WallS, s.Width, kind, strings.Join(workers, ", "), human(s.BytesByRef), human(s.BytesCopied))
	for class, n := range s.Deaths {
		line += fmt.Sprintf("; %d died (%s)", n, class)
	}
	return line
}
