package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"example.com/handoff/bench"
	"example.com/handoff/bench/cost"
	"example.com/handoff/bench/stat"
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

What the routes cost on this machine is measured first, in about two seconds, and kept
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
	classifiedSeconds
	classify.Verdict
	Times *struct{} `json:"times,omitempty"` // hides the Verdict's, which are in nanoseconds
}

type classifiedSeconds struct {
	WallS       float64 `json:"wall_s"`
	CPUS        float64 `json:"cpu_s"`
	ThreadCPUS  float64 `json:"thread_cpu_s,omitempty"`
	ProcessCPUS float64 `json:"process_cpu_s,omitempty"`
	CPUWaitS    float64 `json:"cpu_wait_s,omitempty"`
	OrphanCPUS  float64 `json:"orphan_cpu_s,omitempty"`
}

func newClassified(op string, v classify.Verdict) classified {
	return classified{Op: op, Verdict: v, classifiedSeconds: classifiedSeconds{
		v.Wall.Seconds(), v.CPU.Seconds(), v.ThreadCPU.Seconds(), v.ProcessCPU.Seconds(), v.CPUWait.Seconds(), v.OrphanCPU.Seconds(),
	}}
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
	var v classify.Verdict
	if once == nil {
		v, err = classify.Command(ctx, args, &opts)
	} else {
		v, err = classify.Func(ctx, once, &opts)
	}
	if err == nil && f.profile != "" {
		err = profileCPU(ctx, profile, once)
	}
	if err != nil {
		return err
	}
	for _, w := range v.Warnings {
		fmt.Fprintln(s.err, "handoff: warning: "+printable(w))
	}
	if f.json != "-" {
		writeVerdict(s.out, v)
	}
	if f.json != "" {
		if err := writeJSON(out, newClassified(f.op, v)); err != nil {
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
func costs(ctx context.Context, stderr io.Writer, how string) (*cost.Costs, error) {
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

// minProfileTime gives a profile about 50 samples: 100 are taken in a second.
const minProfileTime = 500 * time.Millisecond

func profileCPU(ctx context.Context, w io.Writer, once func(context.Context) error) error {
	if err := pprof.StartCPUProfile(w); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	for begin := time.Now(); time.Since(begin) < minProfileTime; {
		if err := once(ctx); err != nil {
			return err
		}
	}
	return nil
}

// writeVerdict is the answer for people.
func writeVerdict(w io.Writer, v classify.Verdict) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(tw, name+"\t"+format+"\n", args...) }
	text := func(d time.Duration) string { return stat.Time(float64(d)) }
	row("wall", "%s", text(v.Wall))
	row("cpu", "%s (%s clock)", text(v.CPU), v.Clock)
	row("ratio", "%.2f (%.2f to %.2f in %d runs)", v.CPUToWall, v.CPUToWallMin, v.CPUToWallMax, v.Repeats)
	if v.CPUWait > v.Wall/100 {
		row("no core", "%s", text(v.CPUWait))
	}
	if v.OrphanCPU > v.CPU/100 {
		row("orphans", "%s of the CPU time", text(v.OrphanCPU))
	}
	count := func(x float64) string { return strconv.FormatFloat(math.Round(10*x)/10, 'f', -1, 64) }
	row("switches", "%s voluntary, %s involuntary", count(v.VoluntarySwitches), count(v.InvoluntarySwitches))
	row("faults", "%s minor, %s major", count(v.MinorFaults), count(v.MajorFaults))
	if v.GC != nil {
		row("gc", "%s of the CPU time, %d collections in all runs", stat.Percent(v.GCShare), v.GCCycles)
	}
	if p := v.Payload; p != nil {
		row("payload", "%s by Ref, %s by value", human(p.RefBytes), human(p.ValueBytes))
		if p.Gob > 0 {
			row("gob of it", "%s", text(p.Gob))
		}
	}
	row("class", "%s", v.Workload)
	row("route", "%s", v.Route)
	for _, p := range v.Prices {
		name := string(p.Route)
		if p.Way != "" {
			name += ", " + string(p.Way)
		}
		row("price", "%s: %s a call, %s that one takes", name, text(p.Time), stat.PartOf(p.Share, text(v.Wall)))
	}
	tw.Flush()
	fmt.Fprintln(w, v.Reason)
}
