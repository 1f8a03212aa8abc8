// Compare measures the benchmarks of an older revision and of this checkout, as it lies there, in turn:
//
//	go run ./bench/compare [flags] OLD-REV [BENCH-REGEXP]
//
// It checks OLD-REV out into a temporary folder, builds the test binaries of both, and runs each benchmark on its own,
// round after round: old, new, old again. What the machine does meanwhile, which drifts by more than most changes
// matter, so meets both. The ratio of a round is that of the new time to the geometric mean of the two old ones beside
// it. The table has the centre of these ratios over the rounds and its interval of 95 % confidence, and the same for
// the old binary against itself ("same"), which is what the machine alone does. A row whose interval lies wholly above
// 1.03 is marked slower, one wholly below 0.97 faster.
//
// Both sides run the hot_bench_test.go of this checkout where it builds in the old one; else the old one's own, or, if
// it has none, the latest version in this checkout's history that builds there.
package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchfmt"

	"example.com/handoff/bench/stat"
)

const benchFile = "hot_bench_test.go"

// A row is marked where its whole interval lies beyond.
const slower, faster = 1.03, 0.97

type options struct {
	rev, bench, pkg, benchtime string
	rounds                     int
}

func main() {
	var o options
	flag.StringVar(&o.pkg, "pkg", "./pool", "the `package`, from the root of the repository")
	flag.StringVar(&o.benchtime, "benchtime", "100ms", "`time` of each run, as for go test")
	flag.IntVar(&o.rounds, "rounds", 9, "`number` of rounds; fewer than 6 have no interval")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./bench/compare [flags] OLD-REV [BENCH-REGEXP]")
		flag.PrintDefaults()
	}
	flag.Parse()
	if o.rev, o.bench = flag.Arg(0), cmp.Or(flag.Arg(1), "Hot"); o.rev == "" || flag.NArg() > 2 || o.rounds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := compare(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func compare(ctx context.Context, o options) (err error) {
	root, err := output(ctx, ".", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp("", "compare-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	now := checkout{dir: filepath.Join(root, o.pkg), binary: filepath.Join(temp, "new.test")}
	if err := now.build(ctx); err != nil {
		return err
	}
	tree := filepath.Join(temp, "old")
	if _, err := output(ctx, root, "git", "worktree", "add", "--detach", tree, o.rev); err != nil {
		return err
	}
	defer func() { // also when ctx has ended
		_, failed := output(context.Background(), root, "git", "worktree", "remove", "--force", tree)
		err = errors.Join(err, failed)
	}()
	old := checkout{dir: filepath.Join(tree, o.pkg), binary: filepath.Join(temp, "old.test")}
	if err := old.buildAs(ctx, now.dir); err != nil {
		return err
	}
	rows, err := findRows(ctx, old, now, o)
	if err != nil {
		return err
	}
	for i := range o.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", i+1, o.rounds)
		for _, r := range rows {
			if err := r.measure(ctx, old, now, o); err != nil {
				return err
			}
		}
	}
	return printTable(rows)
}

// A checkout is a package of one of the two trees and its test binary.
type checkout struct{ dir, binary string }

func (c checkout) build(ctx context.Context) error {
	_, err := output(ctx, c.dir, "go", "test", "-c", "-o", c.binary, ".")
	return err
}

// buildAs builds the old checkout with the benchmarks of the new one, in dir, as far as that is possible.
func (c checkout) buildAs(ctx context.Context, dir string) error {
	file := filepath.Join(c.dir, benchFile)
	text, err := os.ReadFile(filepath.Join(dir, benchFile))
	if errors.Is(err, os.ErrNotExist) {
		return c.build(ctx)
	}
	own, ownErr := os.ReadFile(file)
	if err = errors.Join(err, os.WriteFile(file, text, 0o666)); err != nil {
		return err
	}
	if err = c.build(ctx); err == nil || ctx.Err() != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "this checkout's %s does not build in the old one, which runs another version of it\n", benchFile)
	if ownErr == nil {
		return errors.Join(os.WriteFile(file, own, 0o666), c.build(ctx))
	}
	revs, failed := output(ctx, dir, "git", "log", "--format=%H", "--", benchFile)
	if failed != nil {
		return failed
	}
	for rev := range strings.FieldsSeq(revs) {
		text, failed := output(ctx, dir, "git", "show", rev+":./"+benchFile)
		if failed != nil {
			continue // this commit has deleted it
		}
		if failed = os.WriteFile(file, []byte(text), 0o666); failed != nil {
			return failed
		}
		if c.build(ctx) == nil {
			return nil
		}
	}
	return fmt.Errorf("no version of %s builds in the old checkout: %w", benchFile, err)
}

// run runs the benchmarks that match and returns their values by name and unit.
func (c checkout) run(ctx context.Context, bench, benchtime string) (names []string, values map[string]map[string]float64, err error) {
	text, err := output(ctx, c.dir, c.binary, "-test.run", "^$", "-test.bench", bench, "-test.benchtime", benchtime)
	if err != nil {
		return nil, nil, err
	}
	values = map[string]map[string]float64{}
	for r := benchfmt.NewReader(strings.NewReader(text), c.binary); r.Scan(); {
		if result, ok := r.Result().(*benchfmt.Result); ok {
			name := procsSuffix.ReplaceAllString(result.Name.String(), "")
			names = append(names, name)
			values[name] = map[string]float64{}
			for _, v := range result.Values {
				values[name][cmp.Or(v.OrigUnit, v.Unit)] = cmp.Or(v.OrigValue, v.Value)
			}
		}
	}
	return names, values, nil
}

// procsSuffix matches the -GOMAXPROCS that go test appends to a benchmark's name.
var procsSuffix = regexp.MustCompile(`-\d+$`)

// A row is one benchmark that both checkouts have.
type row struct {
	name, pattern        string
	unit                 string     // of the time: ns/op or another that begins with ns
	change, same         stat.Pairs // new and old, old and old
	oldAllocs, newAllocs []float64
}

func findRows(ctx context.Context, old, now checkout, o options) (rows []*row, err error) {
	_, before, err := old.run(ctx, o.bench, "1x")
	if err != nil {
		return nil, err
	}
	names, after, err := now.run(ctx, o.bench, "1x")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		r := &row{name: name}
		for unit, value := range after[name] {
			if strings.HasPrefix(unit, "ns") && value > 0 && before[name][unit] > 0 {
				r.unit = unit
			}
		}
		if r.unit == "" {
			fmt.Fprintf(os.Stderr, "%s has no time that both checkouts report\n", name)
			continue
		}
		for _, part := range strings.Split("Benchmark"+name, "/") {
			r.pattern += "/^" + regexp.QuoteMeta(part) + "$"
		}
		r.pattern = r.pattern[1:]
		rows = append(rows, r)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no benchmark of both checkouts matches %q", o.bench)
	}
	return rows, nil
}

// measure is one round.
func (r *row) measure(ctx context.Context, old, now checkout, o options) error {
	var times, allocs [3]float64
	for i, c := range []checkout{old, now, old} {
		_, values, err := c.run(ctx, r.pattern, o.benchtime)
		if err != nil {
			return err
		}
		times[i] = values[r.name][r.unit]
		if times[i] <= 0 {
			return fmt.Errorf("%s reported no %s", r.name, r.unit)
		}
		allocs[i] = cmp.Or(values[r.name]["allocs/task"], values[r.name]["allocs/op"])
	}
	mean := math.Sqrt(times[0] * times[2])
	r.change.A, r.change.B = append(r.change.A, times[1]), append(r.change.B, mean)
	r.same.A, r.same.B = append(r.same.A, times[2]), append(r.same.B, times[0])
	r.oldAllocs, r.newAllocs = append(r.oldAllocs, allocs[0]), append(r.newAllocs, allocs[1])
	return nil
}

func printTable(rows []*row) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "benchmark\told\tnew\tnew/old\t\tsame\t\tallocs\t\t")
	for _, r := range rows {
		low, mid, high := r.change.Ratio(0.025)
		sameLow, sameMid, sameHigh := r.same.Ratio(0.025)
		mark := ""
		switch {
		case low > slower:
			mark = "slower"
		case high < faster:
			mark = "faster"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.3f\t[%.3f, %.3f]\t%.3f\t[%.3f, %.3f]\t%.2f\t→ %.2f\t%s\n",
			r.name, stat.Time(stat.Median(r.change.B)), stat.Time(stat.Median(r.change.A)),
			mid, low, high, sameMid, sameLow, sameHigh, stat.Median(r.oldAllocs), stat.Median(r.newAllocs), mark)
	}
	return w.Flush()
}

// output runs a command in dir and returns what it prints, without the last newline. A benchmark that is interrupted
// gets a signal, so that it can end its workers.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, &stdout, &stderr)
	}
	return strings.TrimSuffix(stdout.String(), "\n"), nil
}
