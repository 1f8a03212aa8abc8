package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"example.com/handoff/bench"
	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	"example.com/handoff/pool/batch/outfile"
	"example.com/handoff/pool/classify"
)

type classifyFlags struct {
	json, op, profile, costs string
	repeat                   int
}

func classifyCommand(s streams) *cobra.Command {
	f := classifyFlags{repeat: 3, costs: "auto"}
	c := &cobra.Command{
		Use:   "classify [flags] -- COMMAND [ARG…] | classify [flags] --op NAME FILE",
		Short: "Measure whether a stage computes or waits, where it belongs, and at what price",
		Long: `Run a command a few times, with empty input and its output discarded, or an
operation of 'handoff run' over a file, and say from its CPU time against its wall
time whether it computes or waits: below 0.4 it is io, above 0.7 cpu, between
mixed. Time in which it was ready to run and had no core is left out. The CPU time of
a command is that of its descendants, too: of those that were waited for, and of
others as far as they were seen, every 20 ms. The route is where such a stage belongs: goroutine, process, or split.

An operation runs in this process, with one worker goroutine; the CPU time is that
of the process. One run before the others is not counted.

What the routes cost on this machine is measured first, in about a second, and kept
in the user's cache directory for the next time. --costs fresh measures anew, none
goes without prices.`,
		Example: "  handoff classify -- sleep 1\n  handoff classify --repeat 5 --json - -- sha512sum /path/to/large/file\n" +
			"  handoff classify --op describe --cpuprofile cpu.pprof flights.arrow",
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case f.op == "" && len(args) == 0:
				return usagef("a command is needed after --, or --op NAME and a FILE")
			case f.op != "" && len(args) != 1:
				return usagef("--op needs one FILE, behind the flags; there are %d arguments", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return err
			}
			return classifyStage(c.Context(), s, args, f)
		},
	}
	c.Flags().SetInterspersed(false) // the command's own flags are its own, also without --
	c.Flags().Var(count{&f.repeat, 1000}, "repeat", "how often to run it; the figures are medians")
	c.Flags().StringVar(&f.op, "op", "", "an operation instead of a command, `NAME`: "+opNames())
	c.Flags().StringVar(&f.profile, "cpuprofile", "", "write to `FILE` where the CPU time of the operation goes, for go tool pprof; of runs that are not counted")
	c.Flags().Var(choice{&f.costs, []string{"auto", "fresh", "none"}}, "costs", "prices: those that are kept, measured anew, or none")
	jsonFlag(c.Flags(), &f.json, "the answer")
	return c
}

func (f classifyFlags) check(args []string) error {
	if f.profile != "" && f.op == "" {
		return usagef("--cpuprofile needs --op: another program's CPU can't be sampled from here; try perf record -- %.60s", args[0])
	}
	if f.op == "" {
		return nil
	}
	if _, _, err := batch.Lookup(f.op); err != nil {
		return usagef("--op: %w", err)
	}
	switch {
	case f.profile == "-":
		return usagef("--cpuprofile needs the name of a file")
	case f.profile != "" && f.json != "" && outfile.Same(f.profile, f.json):
		return usagef("--cpuprofile and --json name the same file")
	case outfile.Same(args[0], f.profile) || outfile.Same(args[0], f.json):
		return usagef("%s is the input and would be overwritten", args[0])
	}
	return nil
}

// A classified is the answer of the verb.
type classified struct {
	Op string `json:"op,omitempty"`
	classify.Verdict
}

func classifyStage(ctx context.Context, s streams, args []string, f classifyFlags) error {
	out, err := openOutput(f.json, s.out)
	if err != nil {
		return err
	}
	profile, err := openOutput(f.profile, s.out)
	if err != nil {
		return err
	}
	opts := classify.Options{Repeats: f.repeat}
	var once func(context.Context) error
	if f.op != "" { // first, as it says at once what is wrong with the file
		once = func(ctx context.Context) error { _, err := runOp(ctx, f.op, args[0]); return err }
		res, err := runOp(ctx, f.op, args[0])
		if err != nil {
			return err
		}
		opts.Clock, opts.Planned, opts.RefBytes = classify.ClockProcess, classify.RouteProcess, res.Summary.BytesByRef
	}
	if opts.Costs, err = costs(ctx, s.err, f.costs); err != nil {
		return err
	}
	got := classified{Op: f.op}
	if once == nil {
		got.Verdict, err = classify.Command(ctx, args, &opts)
	} else {
		got.Verdict, err = classify.Func(ctx, once, &opts)
	}
	if err == nil && f.profile != "" {
		err = profileCPU(ctx, profile, once)
	}
	if err != nil {
		return err
	}
	for _, w := range got.Warnings {
		fmt.Fprintln(s.err, "handoff: warning: "+printable(w))
	}
	if f.json != "-" {
		got.write(s.out)
	}
	if f.json != "" {
		if err := writeJSON(out, got); err != nil {
			return err
		}
		if err := out.Commit(); err != nil {
			return err
		}
	}
	return profile.Commit()
}

// runOp is one run of an operation where it can be measured.
func runOp(ctx context.Context, op, file string) (*batch.Result, error) {
	job := batch.Job{Inputs: []string{file}, Op: op, Pool: pool.Options{Workers: 1, Isolation: pool.Goroutine}}
	res, err := batch.Run(ctx, job)
	if !errors.Is(err, batch.ErrNoOut) {
		return res, err
	}
	dir, err := os.MkdirTemp("", "handoff-classify-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	job.Out = filepath.Join(dir, "rows.arrow")
	return batch.Run(ctx, job)
}

// costs are the prices; nil without them. That they can't be measured is no error.
func costs(ctx context.Context, stderr io.Writer, how string) (*classify.Costs, error) {
	if how == "none" {
		return nil, nil
	}
	warn := func(err error) { fmt.Fprintln(stderr, "handoff: warning: "+printable(err.Error())) }
	c, err := bench.Calibrate(ctx, &bench.CalibrateOptions{Fresh: how == "fresh", Warn: warn})
	switch {
	case ctx.Err() != nil:
		return nil, err
	case err != nil:
		warn(fmt.Errorf("there are no prices: %w", err))
		return nil, nil
	}
	return &c, nil
}

// profileTime is how long a profile is at least: 100 samples a second are taken.
const profileTime = 500 * time.Millisecond

func profileCPU(ctx context.Context, w io.Writer, once func(context.Context) error) error {
	if err := pprof.StartCPUProfile(w); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	for begin := time.Now(); time.Since(begin) < profileTime; {
		if err := once(ctx); err != nil {
			return err
		}
	}
	return nil
}

// write is the answer for people.
func (c classified) write(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(tw, name+"\t"+format+"\n", args...) }
	row("wall", "%.3f s", c.WallS)
	row("cpu", "%.3f s (%s clock)", c.CPUS, c.Clock)
	row("ratio", "%.2f (%.2f to %.2f in %d runs)", c.CPUToWall, c.CPUToWallMin, c.CPUToWallMax, c.Repeats)
	if c.CPUWaitS > 0.01*c.WallS {
		row("no core", "%.3f s", c.CPUWaitS)
	}
	if c.OrphanCPUS > 0.01*c.CPUS {
		row("orphans", "%.3f s of the CPU", c.OrphanCPUS)
	}
	row("switches", "%.4g voluntary, %.4g involuntary", c.VoluntarySwitches, c.InvoluntarySwitches)
	row("faults", "%.4g minor, %.4g major", c.MinorFaults, c.MajorFaults)
	if c.GCShare != nil {
		row("gc", "%.1f %% of the CPU, %d collections in all runs", 100**c.GCShare, c.GCCycles)
	}
	if p := c.Payload; p != nil {
		row("payload", "%s by Ref, %s by value", human(p.RefBytes), human(p.ValueBytes))
		if p.GobNs > 0 {
			row("gob of it", "%s, %.3g %% of the CPU time", seconds(p.GobNs), 100*p.GobShare)
		}
	}
	row("class", "%s", c.Class)
	row("route", "%s", c.Route)
	for _, p := range c.Prices {
		name := string(p.Route)
		if p.Way != "" {
			name += ", " + p.Way
		}
		row("price", "%s: %s a call, %.2g %% of its wall time", name, seconds(p.Ns), 100*p.Share)
	}
	tw.Flush()
	fmt.Fprintln(w, c.Reason)
}

func seconds(ns float64) string {
	switch {
	case ns >= 1e9:
		return fmt.Sprintf("%.3g s", ns/1e9)
	case ns >= 1e6:
		return fmt.Sprintf("%.3g ms", ns/1e6)
	case ns >= 1e3:
		return fmt.Sprintf("%.3g µs", ns/1e3)
	}
	return fmt.Sprintf("%.3g ns", ns)
}
