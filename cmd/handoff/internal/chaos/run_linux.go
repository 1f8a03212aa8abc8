package chaos

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

// A run is a test on its way.
type run struct {
	*Test
	engine *chaos.Engine
	last   context.Context // ends when there is no time left to clean up
	dir    string          // everything is in there
	began  time.Time
	ours   map[int]bool    // pids, and so the sessions, of the supervisors
	groups map[string]bool // runs in shared memory of those that were killed

	round  int
	growth growth
}

// Run does all rounds; the report says what came of them. An error is not about
// the job under faults. The runs end as soon as they can with ctx, and at once with last.
func (t *Test) Run(ctx, last context.Context) (err error) {
	t.Report = Report{Seed: t.Seed, Rounds: []Round{}, Problems: []string{}, Residue: []string{}}
	base := os.TempDir()
	if t.Job.Out != "" {
		base = filepath.Dir(t.Job.Out)
	}
	if base, err = filepath.Abs(base); err != nil {
		return err
	}
	c := &run{Test: t, engine: t.engine(), last: last, began: time.Now(), ours: map[int]bool{}, groups: map[string]bool{}}
	if c.dir, err = os.MkdirTemp(base, ".handoff-chaos-*"); err != nil {
		return fmt.Errorf("cannot make a folder for the runs: %w", err)
	}
	defer func() {
		c.endAll()
		if err == nil && len(t.Report.Problems) > 0 {
			t.Report.Evidence = c.dir
			return
		}
		err = errors.Join(err, os.RemoveAll(c.dir))
	}()
	if err := c.undisturbed(ctx); err != nil {
		return err
	}
	for c.round = 1; c.round <= t.Rounds && len(t.Report.Problems) == 0; c.round++ {
		if err := c.disturbed(ctx); err != nil {
			return err
		}
	}
	return nil
}

// undisturbed makes the reference.
func (c *run) undisturbed(ctx context.Context) error {
	dir := filepath.Join(c.dir, "undisturbed")
	s, err := c.start(dir, false, false)
	if err != nil {
		return err
	}
	t := &target{c: c, s: s}
	for err == nil {
		err = c.engine.Rest(ctx, t, time.Hour)
	}
	if !errors.Is(err, chaos.ErrEnded) {
		c.end(s)
		return err
	}
	switch {
	case s.exit() == exitUsage:
		return &UsageError{lastLine(dir)}
	case !s.done():
		return fmt.Errorf("the job fails without faults (%v): %s", s.state(), lastLine(dir))
	}
	sum, err := readSummary(dir)
	if err != nil {
		return err
	}
	c.Report.Undisturbed = Round{
		Faults: map[Fault]int{}, Runs: 1, Chunks: chunksOfAllPasses(sum), Attempts: attemptsIn(dir), WallS: time.Since(s.began).Seconds(), Same: true,
	}
	if c.Every == 0 {
		c.Every = min(max(time.Since(s.began)/8, 50*time.Millisecond), time.Second).Round(time.Millisecond)
	}
	c.engine.Every = c.Every
	c.Report.EveryS = c.Every.Seconds()
	return nil
}

// mostFailures in a row of a job whose workers are hit: a pool gives up when its
// workers do not even start.
const mostFailures = 5

// disturbed is a round: the job under faults, resumed until it is done. In every
// second round the state is kept, so that it can be read; in the others the job
// removes it.
func (c *run) disturbed(ctx context.Context) error {
	dir := filepath.Join(c.dir, fmt.Sprintf("round-%d", c.round))
	keep := c.round%2 == 1
	r := Round{Faults: map[Fault]int{}}
	begin := time.Now()
	c.growth = growth{file: filepath.Join(dir, StateDir, "journal"), since: begin}
	var before chunkCounts // that were committed when the run began
	for failures := 0; ; {
		r.Runs++
		s, err := c.start(dir, true, keep)
		if err != nil {
			return err
		}
		t := &target{c: c, s: s, r: &r}
		if err := t.storm(ctx); err != nil {
			return err
		}
		if t.hangs != "" {
			c.Report.problem(c.round, "run %d: %s", r.Runs, t.hangs)
			break
		}
		if s.done() {
			break
		}
		if failures++; t.explains() {
			failures = 0
		} else if !t.workers || failures == mostFailures || s.exit() != exitFailure {
			c.Report.problem(c.round, "run %d ended by itself (%v): %s", r.Runs, s.state(), lastLine(dir))
			break
		} else {
			r.GaveUp++
		}
		if before, err = c.look(dir, before); err != nil {
			return err
		}
	}
	r.WallS, r.Attempts = time.Since(begin).Seconds(), attemptsIn(dir)
	if len(c.Report.Problems) == 0 {
		if err := c.check(dir, keep, before, &r); err != nil {
			return err
		}
	}
	c.lookForResidue(ctx)
	c.Report.Rounds = append(c.Report.Rounds, r)
	if len(c.Report.Problems) > 0 {
		return nil // the folder is evidence
	}
	return os.RemoveAll(dir)
}

// look reads the journal of a job that has not ended, and holds it against what was
// there before.
func (c *run) look(dir string, before chunkCounts) (chunkCounts, error) {
	s, err := batch.ReadState(filepath.Join(dir, StateDir))
	if errors.Is(err, journal.ErrNone) {
		// It may have been finished, and killed before it could say so.
		if names, _ := filepath.Glob(filepath.Join(dir, OutDir, "[^.]*")); len(before) > 0 && len(names) == 0 {
			c.Report.Lost += int64(len(before))
			c.Report.problem(c.round, "the journal is gone, and with it %d chunks", len(before))
		}
		return nil, nil
	}
	if err != nil {
		c.Report.problem(c.round, "the journal cannot be read: %v", err)
		return before, nil
	}
	now := chunksOf(s)
	if n := before.missing(now); n > 0 {
		c.Report.Lost += n
		c.Report.problem(c.round, "%d chunks that were committed are not in the journal any more", n)
	}
	c.twice(now)
	return now, nil
}

func (c *run) twice(now chunkCounts) {
	if n := now.twice(); n > 0 {
		c.Report.Duplicated += n
		c.Report.problem(c.round, "%d chunks were committed twice", n)
	}
}

// check holds a job that says that it is done against the reference.
func (c *run) check(dir string, keep bool, before chunkCounts, r *Round) error {
	out := filepath.Join(dir, OutDir)
	if c.Spoil != nil {
		c.Spoil(c.round, out)
	}
	sum, err := readSummary(dir)
	if err != nil {
		return err
	}
	r.Chunks, r.Reused = chunksOfAllPasses(sum), sum.ChunksReused
	if n := c.Report.Undisturbed.Chunks - r.Chunks; n != 0 {
		c.Report.Lost += max(n, 0)
		c.Report.Duplicated += max(-n, 0)
		c.Report.problem(c.round, "%d chunks, and %d without faults", r.Chunks, c.Report.Undisturbed.Chunks)
	}
	if n := int64(len(before)) - sum.ChunksReused; n > 0 {
		c.Report.Redone += n
		c.Report.problem(c.round, "the last run did %d chunks again that had been committed", n)
	}
	state := filepath.Join(dir, StateDir)
	switch s, err := batch.ReadState(state); {
	case keep && err != nil:
		c.Report.problem(c.round, "the journal cannot be read: %v", err)
	case keep:
		c.twice(chunksOf(s))
		if n := notWhole(s); n > 0 || !s.Sealed { // where the disk was full behind the seal, the last record is missing
			c.Report.Lost += n
			c.Report.problem(c.round, "the job is done, and its journal lacks %d chunks or its end", n)
		}
	case err == nil:
		c.Report.Residue = append(c.Report.Residue, state)
	}
	entries, _ := os.ReadDir(state)
	for _, e := range entries {
		if e.Name() != "journal" {
			c.Report.Residue = append(c.Report.Residue, filepath.Join(state, e.Name()))
		}
	}
	differ, temporary, err := compareFolders(filepath.Join(c.dir, "undisturbed", OutDir), out)
	if err != nil {
		return err
	}
	for _, d := range differ {
		c.Report.problem(c.round, "%s", d)
	}
	r.Same = len(differ) == 0
	c.Report.Residue = append(c.Report.Residue, temporary...)
	return nil
}

func readSummary(dir string) (sum batch.Summary, err error) {
	b, err := os.ReadFile(filepath.Join(dir, summaryFile))
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
	f, err := os.Open(filepath.Join(dir, logFile))
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
	}
	return max(n-1, 0)
}

// lastLine is the last line "handoff: …" on the last run's standard error. Where there is
// none, it is the last line of any kind.
func lastLine(dir string) string {
	b, err := os.ReadFile(filepath.Join(dir, stderrFile))
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
