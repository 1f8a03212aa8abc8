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
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"example.com/handoff/bench"
	"example.com/handoff/pool/batch/outfile"
)

type benchFlags struct {
	sizes, strategies     []string
	touch, dtype, format  string
	json, svg, html       string // files
	compare, from, file   string // files
	compute               time.Duration
	count, tasks          int
	isolated              bool
	pin                   string
	quiet, memory, charts bool
}

func benchCommand(s streams) *cobra.Command {
	f := benchFlags{touch: string(bench.TouchSum), dtype: "float64", format: "table"}
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure what handing an array to another process costs, against gob",
		Long: `Hand arrays to real worker processes, which sum them (or touch both
ends) and answer, and compare the ways to do it on this machine:

  gob-fresh     encoding/gob over a pipe, a new encoder for each message
  gob-reused    encoding/gob over a pipe, one encoder for all
  pipe-raw      the raw bytes over a pipe
  unix-raw      the raw bytes over a Unix socket
  arrow-pipe    an Arrow IPC stream over a pipe
  shm-fresh     a new shared-memory segment for each array
  shm-copy      one copy into a warm arena
  shm-resident  the array is in shared memory already: only its Ref goes
  value         the array is a task's argument by value
  shared        the array was shared once (pool.Share) and is read in place
  goroutine     no other process: the price of no isolation

Samples of the strategies alternate; every answer is checked. It takes a minute.
Models and crossovers are measured afresh at the end and called wrong where they are.

With --file the columns of numbers of an Arrow or CSV file are handed over instead:
its first rows at each size, and the whole file. What is not is said.

With --compute it says what to do for a task that computes for so long, and what
that saves in a job of --tasks. --compare
says what changed beyond the noise since a report that --json wrote, and how the
machines differ. --from shows such a report again and measures nothing.

With --memory it measures instead how much memory this process and 1, 2 and 4
workers take together while each holds the same array (of --sizes, default 64MiB),
handed over by gob and by shared memory, and says whether that grows.`,
		Example: "  handoff bench\n  handoff bench --memory\n  handoff bench --sizes 4KiB,64MiB --touch ends --json -\n  handoff bench --dtype int32 --compute 2ms --html report.html\n  handoff bench --file flights.arrow\n  handoff bench --compare old.json\n  handoff bench --from old.json --html old.html\n  handoff bench --format go | benchstat -col /strategy -",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			opts := bench.Options{Strategies: f.strategies, Touch: bench.Touch(f.touch), Compute: f.compute, Isolated: f.isolated, Tasks: f.tasks, Count: f.count, Pin: bench.Pin(f.pin)}
			if err := f.data(c, &opts); err != nil {
				return err
			}
			if err := refuseEmptyLists(c, "sizes", "strategies"); err != nil {
				return err
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
			if err := f.check(c); err != nil {
				return err
			}
			return runBench(c.Context(), s, opts, f)
		},
	}
	f.add(c.Flags())
	return c
}

// data says what is handed over: arrays, or the columns of a file.
func (f *benchFlags) data(c *cobra.Command, opts *bench.Options) error {
	switch {
	case c.Flags().Changed("file") && f.file == "":
		return usagef("--file is empty")
	case f.file != "" && c.Flags().Changed("dtype"):
		return usagef("--dtype says nothing with --file, whose columns have types")
	case f.file != "":
		opts.File = f.file
	default:
		opts.DType = f.dtype
	}
	return nil
}

func (f *benchFlags) add(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.sizes, "sizes", nil, "array `SIZES` in B, KiB, MiB, GiB; a bare number is bytes (default 64B,4KiB,64KiB,1MiB,16MiB,64MiB)")
	flags.StringSliceVar(&f.strategies, "strategies", nil, "`NAMES` of the strategies to compare (default all: "+strings.Join(bench.Strategies(), ",")+")")
	flags.Var(choice{&f.touch, []string{string(bench.TouchSum), string(bench.TouchEnds)}}, "touch", "what the worker does with the array")
	flags.Var(choice{&f.dtype, bench.DTypes()}, "dtype", "element type of the arrays")
	flags.StringVar(&f.file, "file", "", "hand over the columns of numbers of an Arrow or CSV `FILE`; --sizes are of its first rows")
	flags.DurationVar(&f.compute, "compute", 0, "how `LONG` a task computes on the array, as 2ms: adds advice")
	flags.BoolVar(&f.isolated, "isolated", false, "with --compute: tasks need a process of their own, a goroutine is not enough")
	flags.Var(count{&f.tasks, 1_000_000_000}, "tasks", "with --compute: how many tasks a job has (default 1000)")
	flags.StringVar(&f.svg, "svg", "", "draw the costs by size into an SVG `FILE`")
	flags.StringVar(&f.html, "html", "", "write one HTML `FILE` with pictures, figures and the JSON")
	flags.StringVar(&f.compare, "compare", "", "say what changed since an older report, a JSON `FILE`")
	flags.StringVar(&f.from, "from", "", "show an older report, a JSON `FILE`, and measure nothing")
	flags.Var(choice{&f.pin, []string{string(bench.PinApart), string(bench.PinTogether)}}, "pin", "keep this process and the workers on a core each, or all on one, the same in every run")
	flags.BoolVar(&f.charts, "chart", false, "draw a chart below the table also where that is no terminal")
	flags.Var(count{&f.count, 1_000_000}, "count", "at least so many samples of each strategy at each size (default: what fits into a minute)")
	flags.Var(choice{&f.format, []string{"table", "go", "markdown"}}, "format", "a table, lines for benchstat, or a short table in Markdown")
	flags.BoolVar(&f.memory, "memory", false, "measure memory by the number of workers, and not time")
	jsonFlag(flags, &f.json, "the results")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress on standard error")
}

func refuseEmptyLists(c *cobra.Command, names ...string) error {
	for _, list := range names {
		if text, _ := c.Flags().GetStringSlice(list); c.Flags().Changed(list) && len(text) == 0 {
			return usagef("--%s is empty", list)
		}
	}
	return nil
}

// check refuses flags that say nothing beside others.
func (f *benchFlags) check(c *cobra.Command) error {
	if f.from != "" {
		for _, flag := range []string{"sizes", "strategies", "touch", "dtype", "file", "compute", "isolated", "tasks", "count", "pin"} {
			if c.Flags().Changed(flag) {
				return usagef("--%s says nothing with --from, which measures nothing", flag)
			}
		}
	}
	for _, flag := range []string{"isolated", "tasks"} {
		if c.Flags().Changed(flag) && !c.Flags().Changed("compute") {
			return usagef("--%s says nothing without --compute", flag)
		}
	}
	switch {
	case f.json == "-" && f.format != "table":
		return usagef("--json - and --format %s would both go to standard output: give --json FILE", f.format)
	case f.json == "-" && f.compare != "":
		return usagef("--json - and --compare would both go to standard output: give --json FILE")
	case f.format != "table" && f.compare != "":
		return usagef("--format %s and --compare would both go to standard output", f.format)
	case f.charts && (f.json == "-" || f.format != "table"):
		return usagef("--chart says nothing without the table")
	case f.svg == "-" || f.html == "-":
		return usagef("--svg and --html take a file")
	case c.Flags().Changed("compute") && f.compute <= 0:
		return usagef("--compute %v, expected more than 0", f.compute)
	}
	return f.checkNames()
}

// checkNames refuses a file that would be written over: by two reports, or as an input. Only the report that is
// compared with may be replaced by the new one.
func (f *benchFlags) checkNames() error {
	outs := map[string]string{"--json": f.json, "--svg": f.svg, "--html": f.html}
	for a, name := range outs {
		for b, other := range outs {
			if a < b && outfile.Same(name, other) {
				return usagef("%s and %s name the same file", a, b)
			}
		}
		for _, in := range []string{f.from, f.file, f.compare} {
			if outfile.Same(in, name) && (in != f.compare || a != "--json") {
				return usagef("%s is an input and would be overwritten", in)
			}
		}
	}
	return nil
}

// benchOutputs are the files that a run writes at its end.
type benchOutputs struct{ json, svg, html *output }

// open opens them, and reads the report to compare with, before anything is measured.
func (f *benchFlags) open(s streams) (o benchOutputs, old *bench.Report, err error) {
	for _, x := range []struct {
		name string
		to   **output
	}{{f.json, &o.json}, {f.svg, &o.svg}, {f.html, &o.html}} {
		if *x.to, err = openOutput(x.name, s.out); err != nil {
			return o, nil, err
		}
	}
	if f.compare != "" {
		old, err = readReport("--compare", f.compare)
	}
	return o, old, err
}

func readReport(flag, name string) (*bench.Report, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	defer file.Close()
	r, err := bench.ReadReport(file)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, name, err)
	}
	return r, nil
}

func runBench(ctx context.Context, s streams, opts bench.Options, f benchFlags) error {
	outputs, old, err := f.open(s)
	if err != nil {
		return err
	}
	terminal := terminalOf(s.out)
	live := terminal != nil && f.json != "-" && f.format == "table" && f.from == ""
	var report *bench.Report
	if f.from != "" {
		report, err = readReport("--from", f.from)
	} else {
		report, err = measureReport(ctx, s, opts, f, live)
	}
	if err != nil {
		return err
	}
	if f.json != "-" {
		if err := f.show(s.out, report, live, terminal); err != nil {
			return err
		}
	}
	if old != nil {
		fmt.Fprintln(s.out)
		if err := report.WriteComparison(s.out, old); err != nil {
			return err
		}
	}
	for _, x := range []struct {
		name  string
		to    *output
		write func(io.Writer) error
	}{{f.json, outputs.json, report.WriteJSON}, {f.svg, outputs.svg, report.WriteSVG}, {f.html, outputs.html, report.WriteHTML}} {
		if x.name == "" {
			continue
		}
		if err := x.write(x.to); err != nil {
			return err
		}
		if err := x.to.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// measureReport measures, and writes the table meanwhile if it is to be live.
func measureReport(ctx context.Context, s streams, opts bench.Options, f benchFlags, live bool) (*bench.Report, error) {
	if live {
		opts.Table = overBar{s.out}
	}
	bar := newProgress(s.err, "bench", f.quiet)
	opts.Progress = func(done, total int, text string) { bar.show(int64(done), int64(total), text) }
	report, err := bench.Run(ctx, &opts)
	if err == nil && f.html != "" {
		err = addMemory(ctx, report)
	}
	bar.end(err == nil)
	if err == nil && report.Payload.File != nil {
		tellFile(s.err, report.Payload)
	}
	return report, err
}

// show writes what goes to standard output: but for the table if that is there already.
func (f *benchFlags) show(w io.Writer, report *bench.Report, live bool, terminal *os.File) error {
	switch f.format {
	case "go":
		return report.WriteGo(w)
	case "markdown":
		return report.WriteMarkdown(w)
	}
	if !live {
		if err := report.WriteTable(w); err != nil {
			return err
		}
	}
	if terminal == nil && !f.charts {
		return nil
	}
	opts := bench.ChartOptions{}
	if terminal != nil {
		opts.Columns, _, _ = term.GetSize(int(terminal.Fd())) // 0 if it is not known
		opts.Color = knowsCodes()
		opts.ASCII = !opts.Color || !knowsUTF8()
	}
	fmt.Fprintln(w)
	return report.WriteChart(w, &opts)
}

// addMemory measures memory by the number of workers, too.
func addMemory(ctx context.Context, report *bench.Report) error {
	m, err := bench.Memory(ctx, &bench.MemoryOptions{Bytes: 16 << 20})
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	if err == nil {
		report.Memory = m.Results
	}
	return err
}

// An overBar writes to a terminal on which there may be a bar. The next frame draws that again.
type overBar struct{ w io.Writer }

func (o overBar) Write(b []byte) (int, error) {
	prefix := ""
	if knowsCodes() {
		prefix = lineStart + clearLine
	}
	if _, err := io.WriteString(o.w, prefix+string(b)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// terminalOf is the terminal that w writes to; nil if that is none.
func terminalOf(w io.Writer) *os.File {
	if c, ok := w.(*checkedWriter); ok {
		w = c.w
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// runMemory is bench --memory.
func runMemory(c *cobra.Command, s streams, sizes []int64, f benchFlags) error {
	for _, flag := range []string{"strategies", "touch", "dtype", "file", "compute", "isolated", "tasks", "count", "format", "svg", "html", "compare", "from", "pin", "chart"} {
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
