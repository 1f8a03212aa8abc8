package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/handoff/pool/chaos"
)

type chaosFlags struct {
	seed   uint64
	rounds int
	faults []string
	every  time.Duration
	json   string
	quiet  bool
}

const (
	manyRounds = 1_000_000
	// longestStop is well below the time after which a pool takes a worker that is
	// stopped for dead.
	longestStop = 3 * time.Second
)

func chaosCommand(s streams) *cobra.Command {
	f := &chaosFlags{rounds: 3}
	c := &cobra.Command{
		Use:   "chaos [flags] -- run INPUT… --op NAME [flags]",
		Short: "Run a job under kills, stops, full disks and resumes, and compare",
		Long: `Run a job of yours once undisturbed, then a few times under faults, resumed until
it is done, and compare: no chunk lost, none committed twice, the same bytes in the
output, and nothing left in memory, in /dev/shm or on the disk.

` + chaosFaultsHelp() + `
A seed decides which fault comes next, when and to which worker. What comes of it
depends on time as well, so the same seed makes a failure likely to come again, and
not certain. Where faults come so close that no chunk is done they become rarer.

The file that the job names with --out is neither read nor written: the runs write
into a folder .handoff-chaos-* beside it (in the folder for temporary files without
--out), with its name. That folder is removed unless the verdict is bad: then it has
both outputs, the state and what the last runs said. It needs room for the output
twice. The job is run with --retries 254 unless it is told otherwise, since each kill
costs a task an attempt.`,
		Example: `  handoff chaos -- run flights.arrow --op describe
  handoff chaos --rounds 10 --seed 7 -- run a.csv b.csv --op zscore --out z.csv
  handoff chaos --faults kill-supervisor,enospc --json - -- run a.csv --op describe`,
		Args: func(c *cobra.Command, args []string) error {
			switch dash := c.ArgsLenAtDash(); {
			case dash < 0 || len(args) == 0:
				return usagef("a job is needed after --, as in: handoff chaos -- run FILE --op NAME")
			case dash > 0:
				return usagef("unexpected argument %.60q before --", args[0])
			case args[0] != "run":
				return usagef("chaos is for the verb run, not %.60q", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			t, err := newChaosTest(s, f, c.Flags().Changed("faults"), args[1:])
			if err != nil {
				return err
			}
			return t.do(c.Context(), s)
		},
	}
	fl := c.Flags()
	fl.Uint64Var(&f.seed, "seed", 0, "`NUMBER` that decides the faults (default: a random one, which is told)")
	fl.Var(count{&f.rounds, manyRounds}, "rounds", "how often the job is run under faults")
	fl.StringSliceVar(&f.faults, "faults", nil, "`NAMES` of the faults with commas between (default: all)")
	fl.DurationVar(&f.every, "every", 0, "mean pause between two faults, `TIME` as 50ms (default: an eighth of the undisturbed time, 50ms to 1s)")
	jsonFlag(fl, &f.json, "the verdict")
	fl.BoolVar(&f.quiet, "quiet", false, "no progress on standard error")
	return c
}

// A chaosTest is one call of the verb.
type chaosTest struct {
	flags  chaosFlags
	job    chaosJob
	faults []chaosFault
	engine *chaos.Engine
	report chaosReport
	// spoil, of the tests, is called with the folder of each round's output when the
	// round is over.
	spoil func(round int, out string)
}

// newChaosTest finds what is wrong with the command line.
func newChaosTest(s streams, f *chaosFlags, chosen bool, args []string) (*chaosTest, error) {
	t := &chaosTest{flags: *f}
	if f.every < 0 {
		return nil, usagef("--every %v: expected 0 or more", f.every)
	}
	if chosen && len(f.faults) == 0 {
		return nil, usagef("--faults is empty")
	}
	var err error
	if t.job, err = readChaosJob(s, args); err != nil {
		return nil, err
	}
	if err := t.job.given.checkReport(f.json); err != nil {
		return nil, err
	}
	for i, name := range f.faults {
		fault := chaosFault(name)
		switch {
		case !slices.ContainsFunc(chaosFaults, func(k chaosKind) bool { return k.name == fault }):
			return nil, usagef("--faults: unknown fault %.60q, expected some of %s", name, chaosFaultNames())
		case slices.Contains(f.faults[:i], name):
			return nil, usagef("--faults: %s is there twice", name)
		case t.job.blames && (fault == faultKillWorker || fault == faultSegvWorker):
			return nil, usagef("--faults: %s and run --quarantine: rows would be left out for what chaos does to their workers", name)
		}
	}
	var engineFaults []chaos.Fault
	for _, k := range chaosFaults { // in their order, which is not that of the flag
		switch {
		case chosen && !slices.Contains(f.faults, string(k.name)):
		case t.job.blames && (k.name == faultKillWorker || k.name == faultSegvWorker):
		default:
			t.faults = append(t.faults, k.name)
			engineFaults = append(engineFaults, k.fault)
		}
	}
	for t.flags.seed == 0 {
		t.flags.seed = uint64(rand.Uint32()) // short enough to be typed
	}
	t.engine = chaos.NewEngine(t.flags.seed, engineFaults, f.every)
	t.engine.MostStop = longestStop
	return t, nil
}

// errChaosBad ends a test of which the verdict is bad.
type errChaosBad struct{ what, repeat string }

func (e *errChaosBad) Error() string {
	return "the verdict is bad: " + e.what + "\nrepeat it with: " + e.repeat
}

// do runs the test and tells the verdict.
func (t *chaosTest) do(ctx context.Context, s streams) error {
	out, err := openOutput(t.flags.json, s.out)
	if err != nil {
		return err
	}
	bar := newProgress(s.err, "chaos", t.flags.quiet)
	t.report = chaosReport{Seed: t.flags.seed, Rounds: []chaosRound{}, Problems: []string{}, Residue: []string{}}
	err = t.run(ctx, func(text string) {
		bar.show(int64(len(t.report.Rounds)), int64(t.flags.rounds), fmt.Sprintf("seed %d, %s", t.flags.seed, text))
	})
	bar.end(err == nil)
	if err != nil {
		var usage *usageError
		if !errors.As(err, &usage) && (ctx.Err() == nil || !errors.Is(err, context.Canceled)) {
			err = fmt.Errorf("%w (seed %d)", err, t.flags.seed)
		}
		return err
	}
	r := &t.report
	r.judge(t.faults)
	r.Repeat = t.repeat()
	if t.flags.json != "-" {
		r.write(s.out, t.faults)
	}
	if t.flags.json != "" {
		if err := writeJSON(out, r); err != nil {
			return err
		}
		if err := out.Commit(); err != nil {
			return err
		}
	}
	if r.Verdict != verdictGood {
		what := r.Problems[0]
		if n := len(r.Problems) - 1; n > 0 {
			what += fmt.Sprintf(" (and %d more)", n)
		}
		return &errChaosBad{what, r.Repeat}
	}
	return nil
}

// repeat is the command line that gives the same sequence of faults.
func (t *chaosTest) repeat() string {
	words := []string{"handoff", "chaos", "--seed", fmt.Sprint(t.flags.seed), "--rounds", fmt.Sprint(t.flags.rounds), "--every", t.flags.every.String()}
	if len(t.faults) < len(chaosFaults) {
		names := make([]string, len(t.faults))
		for i, f := range t.faults {
			names[i] = string(f)
		}
		words = append(words, "--faults", strings.Join(names, ","))
	}
	words = append(append(words, "--", "run"), t.job.args...)
	for i, w := range words {
		words[i] = shellQuote(w)
	}
	return strings.Join(words, " ")
}

// shellQuote is a word as a shell takes it.
func shellQuote(w string) string {
	plain := func(r rune) bool {
		return r < 0x80 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,+@%", r))
	}
	if w != "" && strings.IndexFunc(w, func(r rune) bool { return !plain(r) }) < 0 {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
