package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example.com/handoff/pool/batch"
	"example.com/handoff/pool/chaos"
	"example.com/handoff/pool/journal"
)

// A chaosRun is a test on its way.
type chaosRun struct {
	*chaosTest
	dir    string // everything is in there
	show   func(text string)
	began  time.Time
	ours   map[int]bool    // pids, and so the sessions, of the supervisors
	groups map[string]bool // runs in shared memory of those that were killed

	round  int
	growth chaosGrowth
}

// run does all rounds; the report says what came of them. An error is not about
// the job under faults.
func (t *chaosTest) run(ctx context.Context, show func(text string)) (err error) {
	base := os.TempDir()
	if t.job.out != "" {
		base = filepath.Dir(t.job.out)
	}
	if base, err = filepath.Abs(base); err != nil {
		return err
	}
	c := &chaosRun{chaosTest: t, show: show, began: time.Now(), ours: map[int]bool{}, groups: map[string]bool{}}
	if c.dir, err = os.MkdirTemp(base, ".handoff-chaos-*"); err != nil {
		return fmt.Errorf("cannot make a folder for the runs: %w", err)
	}
	defer func() {
		c.endAll()
		if err == nil && len(t.report.Problems) > 0 {
			t.report.Evidence = c.dir
			return
		}
		err = errors.Join(err, os.RemoveAll(c.dir))
	}()
	if err := c.undisturbed(ctx); err != nil {
		return err
	}
	for c.round = 1; c.round <= t.flags.rounds && len(t.report.Problems) == 0; c.round++ {
		if err := c.disturbed(ctx); err != nil {
			return err
		}
	}
	return nil
}

// undisturbed makes the reference.
func (c *chaosRun) undisturbed(ctx context.Context) error {
	dir := filepath.Join(c.dir, "undisturbed")
	s, err := c.start(dir, false, false)
	if err != nil {
		return err
	}
	t := &chaosTarget{c: c, s: s}
	for err == nil {
		err = c.engine.Rest(ctx, t, time.Hour)
	}
	if !errors.Is(err, chaos.ErrEnded) {
		c.end(ctx, s)
		return err
	}
	switch {
	case s.exit() == exitUsage:
		return usagef("run: %s", lastLine(dir))
	case !s.done():
		return fmt.Errorf("the job fails without faults (%v): %s", s.state(), lastLine(dir))
	}
	sum, err := readSummary(dir)
	if err != nil {
		return err
	}
	c.report.Undisturbed = chaosRound{
		Faults: map[chaosFault]int{}, Runs: 1, Chunks: chunksOfAll(sum), Attempts: attemptsIn(dir), WallS: time.Since(s.began).Seconds(), Same: true,
	}
	if c.flags.every == 0 {
		c.flags.every = min(max(time.Since(s.began)/8, 50*time.Millisecond), time.Second).Round(time.Millisecond)
	}
	c.engine.Every = c.flags.every
	c.report.EveryS = c.flags.every.Seconds()
	return nil
}

// mostFailures in a row of a job whose workers are hit: a pool gives up when its
// workers do not even start.
const mostFailures = 5

// disturbed is a round: the job under faults, resumed until it is done. In every
// second round the state is kept, so that it can be read; in the others the job
// removes it.
func (c *chaosRun) disturbed(ctx context.Context) error {
	dir := filepath.Join(c.dir, fmt.Sprintf("round-%d", c.round))
	keep := c.round%2 == 1
	r := chaosRound{Faults: map[chaosFault]int{}}
	begin := time.Now()
	c.growth = chaosGrowth{file: filepath.Join(dir, chaosStateDir, "journal"), since: begin}
	var before chaosChunks // that were committed when the run began
	for failures := 0; ; {
		r.Runs++
		s, err := c.start(dir, true, keep)
		if err != nil {
			return err
		}
		t := &chaosTarget{c: c, s: s, r: &r}
		if err := t.storm(ctx); err != nil {
			return err
		}
		if t.hangs != "" {
			c.report.problem(c.round, "run %d: %s", r.Runs, t.hangs)
			break
		}
		if s.done() {
			break
		}
		if failures++; t.explains() {
			failures = 0
		} else if !t.workers || failures == mostFailures || s.exit() != exitFailure {
			c.report.problem(c.round, "run %d ended by itself (%v): %s", r.Runs, s.state(), lastLine(dir))
			break
		} else {
			r.GaveUp++
		}
		if before, err = c.look(dir, before); err != nil {
			return err
		}
	}
	r.WallS, r.Attempts = time.Since(begin).Seconds(), attemptsIn(dir)
	if len(c.report.Problems) == 0 {
		if err := c.check(dir, keep, before, &r); err != nil {
			return err
		}
	}
	c.lookForResidue(ctx)
	c.report.Rounds = append(c.report.Rounds, r)
	if len(c.report.Problems) > 0 {
		return nil // the folder is evidence
	}
	return os.RemoveAll(dir)
}

// look reads the journal of a job that has not ended, and holds it against what was
// there before.
func (c *chaosRun) look(dir string, before chaosChunks) (chaosChunks, error) {
	s, err := batch.ReadState(filepath.Join(dir, chaosStateDir))
	if errors.Is(err, journal.ErrNone) {
		// It may have been finished, and killed before it could say so.
		if names, _ := filepath.Glob(filepath.Join(dir, chaosOutDir, "[^.]*")); len(before) > 0 && len(names) == 0 {
			c.report.Lost += int64(len(before))
			c.report.problem(c.round, "the journal is gone, and with it %d chunks", len(before))
		}
		return nil, nil
	}
	if err != nil {
		c.report.problem(c.round, "the journal cannot be read: %v", err)
		return before, nil
	}
	now := chunksOf(s)
	if n := before.missing(now); n > 0 {
		c.report.Lost += n
		c.report.problem(c.round, "%d chunks that were committed are not in the journal any more", n)
	}
	c.twice(now)
	return now, nil
}

func (c *chaosRun) twice(now chaosChunks) {
	if n := now.twice(); n > 0 {
		c.report.Duplicated += n
		c.report.problem(c.round, "%d chunks were committed twice", n)
	}
}

// check holds a job that says that it is done against the reference.
func (c *chaosRun) check(dir string, keep bool, before chaosChunks, r *chaosRound) error {
	out := filepath.Join(dir, chaosOutDir)
	if c.spoil != nil {
		c.spoil(c.round, out)
	}
	sum, err := readSummary(dir)
	if err != nil {
		return err
	}
	r.Chunks, r.Reused = chunksOfAll(sum), sum.ChunksReused
	if n := c.report.Undisturbed.Chunks - r.Chunks; n != 0 {
		c.report.Lost += max(n, 0)
		c.report.Duplicated += max(-n, 0)
		c.report.problem(c.round, "%d chunks, and %d without faults", r.Chunks, c.report.Undisturbed.Chunks)
	}
	if n := int64(len(before)) - sum.ChunksReused; n > 0 {
		c.report.Redone += n
		c.report.problem(c.round, "the last run did %d chunks again that had been committed", n)
	}
	state := filepath.Join(dir, chaosStateDir)
	switch s, err := batch.ReadState(state); {
	case keep && err != nil:
		c.report.problem(c.round, "the journal cannot be read: %v", err)
	case keep:
		c.twice(chunksOf(s))
		if n := notWhole(s); n > 0 || !s.Sealed { // where the disk was full behind the seal, the last record is missing
			c.report.Lost += n
			c.report.problem(c.round, "the job is done, and its journal lacks %d chunks or its end", n)
		}
	case err == nil:
		c.report.Residue = append(c.report.Residue, state)
	}
	entries, _ := os.ReadDir(state)
	for _, e := range entries {
		if e.Name() != "journal" {
			c.report.Residue = append(c.report.Residue, filepath.Join(state, e.Name()))
		}
	}
	differ, temporary, err := compareFolders(filepath.Join(c.dir, "undisturbed", chaosOutDir), out)
	if err != nil {
		return err
	}
	for _, d := range differ {
		c.report.problem(c.round, "%s", d)
	}
	r.Same = len(differ) == 0
	c.report.Residue = append(c.report.Residue, temporary...)
	return nil
}

func readSummary(dir string) (sum batch.Summary, err error) {
	b, err := os.ReadFile(filepath.Join(dir, chaosSummary))
	if err == nil {
		err = json.Unmarshal(b, &sum)
	}
	if err != nil {
		err = fmt.Errorf("the summary of a run: %w", err)
	}
	return sum, err
}

// attemptsIn counts the lines of a job log but for its header.
func attemptsIn(dir string) (n int64) {
	f, err := os.Open(filepath.Join(dir, chaosLog))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
	}
	return max(n-1, 0)
}

// lastLine is what the last run has said last that is its own: "handoff: …".
func lastLine(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, chaosStderr))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err.Error()
	}
	last := "it said nothing"
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line != "" && (strings.HasPrefix(line, "handoff: ") || !strings.HasPrefix(last, "handoff: ")) {
			last = line
		}
	}
	return strings.TrimPrefix(last, "handoff: ")
}

// noSpace is the text of the error of a full disk.
var noSpace = unix.ENOSPC.Error()
