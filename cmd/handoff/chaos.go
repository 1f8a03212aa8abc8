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

	"example.com/handoff/cmd/handoff/internal/chaos"
)

type chaosFlags struct {
	seed   uint64
	rounds int
	faults []string
	every  time.Duration
	json   string
	quiet  bool
}

const manyRounds = 1_000_000

func chaosCommand(s streams) *cobra.Command {
	f := &chaosFlags{rounds: 3}
	c := &cobra.Command{
		Use:   "chaos [flags] -- run INPUT… --op NAME [flags]",
		Short: "Run a job under kills, stops, full disks and resumes, and compare",
		Long: `Run a job of yours once undisturbed, then a few times under faults, resumed until
it is done, and compare: no chunk lost, none committed twice, the same bytes in the
output, and nothing left in memory, in /dev/shm or on the disk.

` + chaos.FaultsHelp() + `
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
			return runChaos(c.Context(), s, f, t)
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

// newChaosTest finds what is wrong with the command line.
func newChaosTest(s streams, f *chaosFlags, chosen bool, args []string) (*chaos.Test, error) {
	t := &chaos.Test{Rounds: f.rounds, Every: f.every, Seed: f.seed}
	if f.every < 0 {
		return nil, usagef("--every %v: expected 0 or more", f.every)
	}
	if chosen && len(f.faults) == 0 {
		return nil, usagef("--faults is empty")
	}
	var given *runFlags
	var err error
	if t.Job, given, err = readChaosJob(s, args); err != nil {
		return nil, err
	}
	if err := given.checkReport(f.json); err != nil {
		return nil, err
	}
	// Workers that die blame rows then.
	blamed := func(fault chaos.Fault) bool {
		return given.quarantine != "" && (fault == chaos.KillWorker || fault == chaos.SegvWorker)
	}
	for i, name := range f.faults {
		switch {
		case !slices.ContainsFunc(chaos.Kinds, func(k chaos.Kind) bool { return string(k.Name) == name }):
			return nil, usagef("--faults: unknown fault %.60q, expected some of %s", name, chaos.FaultNames())
		case slices.Contains(f.faults[:i], name):
			return nil, usagef("--faults: %s is there twice", name)
		case blamed(chaos.Fault(name)):
			return nil, usagef("--faults: %s and run --quarantine: rows would be left out for what chaos does to their workers", name)
		}
	}
	for _, k := range chaos.Kinds { // in their order, which is not that of the flag
		if (!chosen || slices.Contains(f.faults, string(k.Name))) && !blamed(k.Name) {
			t.Faults = append(t.Faults, k.Name)
		}
	}
	for t.Seed == 0 {
		t.Seed = uint64(rand.Uint32()) // short enough to be typed
	}
	return t, nil
}

// errChaosBad ends a test of which the verdict is bad.
type errChaosBad struct{ what, repeat string }

func (e *errChaosBad) Error() string {
	return "the verdict is bad: " + e.what + "\nrepeat it with: " + e.repeat
}

// runChaos runs the test and tells the verdict.
func runChaos(ctx context.Context, s streams, f *chaosFlags, t *chaos.Test) error {
	out, err := openOutput(f.json, s.out)
	if err != nil {
		return err
	}
	bar := newProgress(s.err, "chaos", f.quiet)
	r := &t.Report
	t.Show = func(text string) {
		bar.show(int64(len(r.Rounds)), int64(t.Rounds), fmt.Sprintf("seed %d, %s", t.Seed, text))
	}
	err = t.Run(ctx, secondSignal(ctx))
	bar.end(err == nil)
	var usage *chaos.UsageError
	switch {
	case errors.As(err, &usage):
		return usagef("run: %w", err)
	case err != nil && (ctx.Err() == nil || !errors.Is(err, context.Canceled)):
		return fmt.Errorf("%w (seed %d)", err, t.Seed)
	case err != nil:
		return err
	}
	r.Judge(t.Faults)
	r.Repeat = repeatChaos(t)
	if f.json != "-" {
		writeChaos(s.out, r, t.Faults)
	}
	if f.json != "" {
		if err := writeJSON(out, r); err != nil {
			return err
		}
		if err := out.Commit(); err != nil {
			return err
		}
	}
	if r.Verdict != chaos.Good {
		what := r.Problems[0]
		if n := len(r.Problems) - 1; n > 0 {
			what += fmt.Sprintf(" (and %d more)", n)
		}
		return &errChaosBad{what, r.Repeat}
	}
	return nil
}

// repeatChaos is the command line that gives the same sequence of faults.
func repeatChaos(t *chaos.Test) string {
	words := []string{"handoff", "chaos", "--seed", fmt.Sprint(t.Seed), "--rounds", fmt.Sprint(t.Rounds), "--every", t.Every.String()}
	if len(t.Faults) < len(chaos.Kinds) {
		names := make([]string, len(t.Faults))
		for i, f := range t.Faults {
			names[i] = string(f)
		}
		words = append(words, "--faults", strings.Join(names, ","))
	}
	words = append(append(words, "--", "run"), t.Job.Args...)
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
