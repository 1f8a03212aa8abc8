package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"example.com/handoff/pool/chaos"
)

// A target is a run to which faults are dealt, or the one without faults.
type target struct {
	c *run
	s *supervisor
	r *Round // counts the faults

	// How the run has ended, beside what its process says.
	fault   Fault  // that was to end it; "" for none
	workers bool   // were hit
	full    bool   // the disk was
	hangs   string // it had to be killed
}

// explains reports whether the faults are why the run has ended.
func (t *target) explains() bool {
	switch t.fault {
	case KillSupervisor:
		return t.s.killedBy() == unix.SIGKILL
	case TermSupervisor: // which ends it at once where it was not ready for it
		return t.s.exit() == 128+int(unix.SIGTERM) || t.s.killedBy() == unix.SIGTERM
	}
	return t.full && t.s.exit() == exitFailure && strings.Contains(lastLine(t.s.dir), noSpace)
}

// A growth watches whether a job goes on: by its journal, which grows.
type growth struct {
	file   string
	size   int64
	since  time.Time // when it has grown last
	faults int       // since then
}

func (g *growth) look() {
	if info, err := os.Stat(g.file); err == nil && info.Size() > g.size {
		*g = growth{g.file, info.Size(), time.Now(), 0}
	}
}

const (
	// After slowAfter faults without any progress pauses get twice as long, and again.
	slowAfter = 4
	// goodbye bounds the end of a run that is to end.
	goodbye = 30 * time.Second
)

var errHangs = errors.New("the job does not go on")

// storm deals faults to the run until it has ended. The error is that of ctx.
func (t *target) storm(ctx context.Context) error {
	c := t.c
	defer os.Remove(filepath.Join(t.s.dir, diskFile))
	err := c.engine.Run(ctx, t, 0)
	switch {
	case errors.Is(err, chaos.ErrEnded):
		c.noteGroups(t.s)
		return nil
	case errors.Is(err, errHangs):
		t.s.signal(unix.SIGKILL)
		<-t.s.ended
		t.hangs = fmt.Sprintf("%v since %v: killed", err, time.Since(c.growth.since).Round(time.Second))
		return nil
	}
	c.end(t.s)
	return err
}

func (t *target) Parent() int           { return t.s.pid() }
func (t *target) Done() <-chan struct{} { return t.s.ended }

// Workers have no arguments. A child that has still those of the run is about to
// become one.
func (t *target) Workers() (workers []chaos.Worker) {
	for _, pid := range childrenOf(t.s.pid()) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && strings.Count(string(b), "\x00") == 1 {
			workers = append(workers, chaos.Worker{ID: pid, PID: pid})
		}
	}
	return workers
}

// Look says how far the test is, and finds a job that does not go on, be there faults
// or not.
func (t *target) Look() error {
	c := t.c
	if c.round == 0 {
		c.Show("without faults")
		return nil
	}
	c.Show(fmt.Sprintf("round %d of %d, %d runs so far", c.round, c.Rounds, len(c.ours)))
	c.growth.look()
	c.engine.Every = c.Every << min(c.growth.faults/slowAfter, 16)
	if limit := time.Minute + time.Duration(50*c.Report.Undisturbed.WallS*float64(time.Second)); time.Since(c.growth.since) > limit {
		return errHangs
	}
	return nil
}

// Dealt is told of what a worker has got.
func (t *target) Dealt(f chaos.Fault) {
	t.workers = true
	t.count(nameOf(f))
}

func (t *target) count(f Fault) {
	t.r.Faults[f]++
	t.c.growth.faults++
}

// Deal does those faults that are not for a worker.
func (t *target) Deal(ctx context.Context, fault chaos.Fault, stop time.Duration) (bool, error) {
	f := nameOf(fault)
	if f == ENOSPC {
		return true, t.fillDisk(ctx, stop)
	}
	sig := map[Fault]unix.Signal{KillSupervisor: unix.SIGKILL, TermSupervisor: unix.SIGTERM, StopSupervisor: unix.SIGSTOP}[f]
	if t.s.signal(sig) != nil {
		<-t.s.ended
		return true, chaos.ErrEnded
	}
	t.count(f)
	if f == StopSupervisor {
		defer t.s.signal(unix.SIGCONT)
		return true, t.c.engine.Rest(ctx, t, stop)
	}
	t.fault = f
	return true, t.await(ctx)
}

func (t *target) await(ctx context.Context) error {
	if err := t.c.engine.Rest(ctx, t, goodbye); err != nil {
		return err
	}
	return fmt.Errorf("the run should have ended within %v: %w", goodbye, errHangs)
}

// fillDisk makes the disk full until the run has ended of it or, where it writes
// nothing meanwhile, for a while.
func (t *target) fillDisk(ctx context.Context, d time.Duration) error {
	name := filepath.Join(t.s.dir, diskFile)
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		return err
	}
	t.full = true
	for end := time.Now().Add(d + 250*time.Millisecond); time.Now().Before(end); {
		err := t.c.engine.Rest(ctx, t, 2*time.Millisecond)
		if info, statErr := os.Stat(name); statErr == nil && info.Size() > 0 {
			t.count(ENOSPC)
			if err == nil {
				err = t.await(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
	return os.Remove(name)
}
