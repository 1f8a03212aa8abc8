package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	_ "example.com/handoff/pool/batch/ops" // registers them
)

type runFlags struct {
	op, out, json, isolation string
	workers, chunkRows       int
	quiet                    bool
}

func runCommand(s streams) *cobra.Command {
	f := runFlags{isolation: string(pool.Process)}
	c := &cobra.Command{
		Use:   "run INPUT… --op NAME [flags]",
		Short: "Run a numeric batch over worker processes",
		Long: `Read Arrow IPC files and streams (known by their content) or CSV files with a
header (.csv) into shared memory and run an operation over their numeric columns
in worker processes, which are handed each piece by name. Several inputs with
the same columns are one table.

  describe   count, nulls, mean, std (of a sample), min and max of each column of
             integers, float32 or float64, exact: the same bytes whatever the
             workers, chunks or isolation. NaN and infinities are the strings
             "NaN", "+Inf" and "-Inf"

In CSV an empty cell is null, a line without any character is passed over, and a
column whose first value is no number is text. Other columns are skipped, and
said so.`,
		Example: "  handoff run flights.arrow --op describe\n  handoff run a.csv b.csv --op describe --workers 4 --out result.json --json summary.json",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("an input file is needed")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if f.op == "" {
				return usagef("--op is needed")
			}
			if _, err := batch.Lookup(f.op); err != nil {
				return usagef("--op: %w", err)
			}
			if f.json == "-" && (f.out == "" || f.out == "-") {
				return usagef("--json - and the result would both go to standard output: give --out FILE")
			}
			if f.json != "" && f.out != "" && sameFile(f.json, f.out) {
				return usagef("--out and --json name the same file")
			}
			for _, in := range args {
				if sameFile(in, f.out) || sameFile(in, f.json) {
					return usagef("%s is an input and would be overwritten", in)
				}
			}
			return runJob(c.Context(), s, args, f)
		},
	}
	c.Flags().StringVar(&f.op, "op", "", "the operation, `NAME`: describe")
	c.Flags().StringVar(&f.out, "out", "", "write the result to `FILE` (default: standard output)")
	workersFlag(c.Flags(), &f.workers)
	c.Flags().Var(count{&f.chunkRows, manyRows}, "chunk-rows", "most rows handed over at once (default 65536)")
	c.Flags().Var(choice{&f.isolation, []string{string(pool.Process), string(pool.Goroutine)}}, "isolation", "what a worker is")
	jsonFlag(c.Flags(), &f.json, "the summary")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "no progress and no summary on standard error")
	return c
}

func runJob(ctx context.Context, s streams, inputs []string, f runFlags) error {
	resultFile := f.out
	if resultFile == "" {
		resultFile = "-"
	}
	result, err := openOutput(resultFile, s.out)
	if err != nil {
		return err
	}
	summary, err := openOutput(f.json, s.out)
	if err != nil {
		return err
	}

	bar := newProgress(s.err, f.op, f.quiet)
	res, err := batch.Run(ctx, batch.Job{
		Inputs:    inputs,
		Op:        f.op,
		ChunkRows: f.chunkRows,
		Pool:      pool.Options{Workers: f.workers, Isolation: pool.Isolation(f.isolation)},
		Progress: func(p batch.Progress) {
			text := fmt.Sprintf("%d rows", p.Rows)
			if p.InputCount > 1 {
				text += fmt.Sprintf(", file %d of %d", p.Input+1, p.InputCount)
			}
			bar.show(p.Done, p.Total, text)
		},
	})
	bar.end()
	if err != nil {
		return err
	}
	const most = 5
	for i, sk := range res.Skipped {
		if i == most {
			fmt.Fprintf(s.err, "skipped %d more columns\n", len(res.Skipped)-most)
			break
		}
		fmt.Fprintf(s.err, "skipped column %q: %s\n", sk.Name, sk.Why)
	}
	if res.Columns == 0 {
		fmt.Fprintln(s.err, "there is no numeric column")
	}
	if !f.quiet {
		fmt.Fprintln(s.err, summaryLine(res.Summary, f.isolation))
	}
	if err := writeJSON(result, res.Value); err != nil {
		return err
	}
	if f.json != "" {
		if err := writeJSON(summary, res.Summary); err != nil {
			return err
		}
	}
	if err := result.Commit(); err != nil {
		return err
	}
	return summary.Commit()
}

// summaryLine is the summary for people.
func summaryLine(s batch.Summary, isolation string) string {
	kind := "worker processes"
	if isolation == string(pool.Goroutine) {
		kind = "worker goroutines"
	}
	var workers []string
	for _, w := range s.Workers {
		workers = append(workers, fmt.Sprintf("pid %d: %d", w.PID, w.Tasks))
	}
	line := fmt.Sprintf("%d rows in %d chunks, %.2f s, %d %s (tasks by %s); %s handed over by Ref, %s copied",
		s.Rows, s.Chunks, s.WallS, s.Width, kind, strings.Join(workers, ", "), human(s.BytesByRef), human(s.BytesCopied))
	for class, n := range s.Deaths {
		line += fmt.Sprintf("; %d died (%s)", n, class)
	}
	return line
}
