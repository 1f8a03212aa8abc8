package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"example.com/handoff/bench"
)

type benchFlags struct {
	sizes, strategies   []string
	touch, format, json string
	count               int
	quiet, memory       bool
}

func benchCommand(s streams) *cobra.Command {
	f := benchFlags{touch: string(bench.TouchSum), format: "table"}
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure what handing an array to another process costs, against gob",
		Long: `Hand float64 arrays to real worker processes, which sum them (or touch both
ends) and answer, and compare the ways to do it on this machine:

  gob-fresh     encoding/gob over a pipe, a new encoder for each message
  gob-reused    encoding/gob over a pipe, one encoder for all
  pipe-raw      the raw bytes over a pipe
  unix-raw      the raw bytes over a Unix socket
  arrow-pipe    an Arrow IPC stream over a pipe
  shm-fresh     a new shared-memory segment for each array
  shm-copy      one copy into a warm arena
  shm-resident  the array is in shared memory already: only its Ref goes
  goroutine     no other process: the price of no isolation

Samples of the strategies alternate; every answer is checked.

With --memory it measures instead how much memory this process and 1, 2 and 4
workers take together while each holds the same array (of --sizes, default 64MiB),
handed over by gob and by shared memory, and says whether that grows.`,
		Example: "  handoff bench\n  handoff bench --memory\n  handoff bench --sizes 4KiB,64MiB --touch ends --json -\n  handoff bench --format go | benchstat -col /strategy -",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			opts := bench.Options{Strategies: f.strategies, Touch: bench.Touch(f.touch), Count: f.count}
			for _, list := range []string{"sizes", "strategies"} {
				if text, _ := c.Flags().GetStringSlice(list); c.Flags().Changed(list) && len(text) == 0 {
					return usagef("--%s is empty", list)
				}
			}
			for _, text := range f.sizes {
				n, err := bench.ParseSize(text)
				if err != nil {
					return usagef("--sizes: %w", err)
				}
				opts.Sizes = append(opts.Sizes, n)
			}
			if f.memory {
				return runMemory(c, s, opts.Sizes, f)
			}
			if err := opts.Validate(); err != nil {
				return usagef("%w", err)
			}
			if f.json == "-" && f.format == "go" {
				return usagef("--json - and --format go would both go to standard output: give --json FILE")
			}
			return runBench(c.Context(), s, opts, f)
		},
	}
	c.Flags().StringSliceVar(&f.sizes, "sizes", nil, "array `SIZES` in B, KiB, MiB, GiB; a bare number is bytes (default 64B,4KiB,64KiB,1MiB,16MiB,64MiB)")
	c.Flags().StringSliceVar(&f.strategies, "strategies", nil, "`NAMES` of the strategies to compare (default all: "+strings.Join(bench.Strategies(), ",")+")")
	c.Flags().Var(choice{&f.touch, []string{string(bench.TouchSum), string(bench.TouchEnds)}}, "touch", "what the worker does with the array")
	c.Flags().Var(count{&f.count, 1_000_000}, "count", "at least so many samples of each strategy at each size (default: what fits into a minute)")
	c.Flags().Var(choice{&f.format, []string{"table", "go"}}, "format", "a table, or lines for benchstat")
	c.Flags().BoolVar(&f.memory, "memory", false, "measure memory by the number of workers, and not time")
	jsonFlag(c.Flags(), &f.json, "the results")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "no progress on standard error")
	return c
}

func runBench(ctx context.Context, s streams, opts bench.Options, f benchFlags) error {
	out, err := openOutput(f.json, s.out)
	if err != nil {
		return err
	}
	bar := newProgress(s.err, "bench", f.quiet)
	opts.Progress = func(done, total int, text string) { bar.show(int64(done), int64(total), text) }
	report, err := bench.Run(ctx, &opts)
	bar.end(err == nil)
	if err != nil {
		return err
	}
	if f.json != "-" {
		write := report.WriteTable
		if f.format == "go" {
			write = report.WriteGo
		}
		if err := write(s.out); err != nil {
			return err
		}
	}
	if f.json == "" {
		return nil
	}
	if err := report.WriteJSON(out); err != nil {
		return err
	}
	return out.Commit()
}

// runMemory is bench --memory.
func runMemory(c *cobra.Command, s streams, sizes []int64, f benchFlags) error {
	for _, flag := range []string{"strategies", "touch", "count", "format"} {
		if c.Flags().Changed(flag) {
			return usagef("--%s says nothing with --memory", flag)
		}
	}
	var opts bench.MemoryOptions
	switch len(sizes) {
	case 0:
	case 1:
		if opts.Bytes = sizes[0]; opts.Bytes == 0 {
			return usagef("--sizes: an array of 0 bytes")
		}
	default:
		return usagef("--memory takes one size, --sizes has %d", len(sizes))
	}
	if err := opts.Validate(); err != nil {
		return usagef("%w", err)
	}
	out, err := openOutput(f.json, s.out)
	if err != nil {
		return err
	}
	bar := newProgress(s.err, "bench", f.quiet)
	opts.Progress = func(done, total int, text string) { bar.show(int64(done), int64(total), text) }
	report, err := bench.Memory(c.Context(), &opts)
	bar.end(err == nil)
	if err != nil {
		return err
	}
	if f.json != "-" {
		if err := report.WriteTable(s.out); err != nil {
			return err
		}
	}
	if f.json == "" {
		return nil
	}
	if err := report.WriteJSON(out); err != nil {
		return err
	}
	return out.Commit()
}
