package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A chaosEnd is how a run under faults has ended, beside what its process says.
type chaosEnd struct {
	fault   chaosFault // that was to end it; "" for none
	workers bool       // were hit
	full    bool       // the disk was
	hangs   string     // it had to be killed
}

// explains reports whether the faults are why a run has ended.
func (e chaosEnd) explains(s *supervisor, dir string) bool {
	switch e.fault {
	case faultKillSupervisor:
		return s.killedBy() == unix.SIGKILL
	case faultTermSupervisor: // which ends it at once where it was not ready for it
		return s.exit() == 128+int(unix.SIGTERM) || s.killedBy() == unix.SIGTERM
	}
	return e.full && s.exit() == exitFailure && strings.Contains(lastLine(dir), noSpace)
}

// A heldWorker is one that was stopped.
type heldWorker struct {
	fd, pid int
	until   time.Time
}

// A chaosGrowth watches whether a job goes on: by its journal, which grows.
type chaosGrowth struct {
	file   string
	size   int64
	since  time.Time // when it has grown last
	faults int       // since then
}

func (g *chaosGrowth) look() {
	if info, err := os.Stat(g.file); err == nil && info.Size() > g.size {
		*g = chaosGrowth{g.file, info.Size(), time.Now(), 0}
	}
}

// calmAfter faults without any progress pauses get twice as long, and again.
const calmAfter = 4

var (
	errEnded = errors.New("the run has ended")
	errHangs = errors.New("the job does not go on")
)

// storm deals faults to a run until it has ended. The error is that of ctx.
func (c *chaosRun) storm(ctx context.Context, s *supervisor, r *chaosRound) (e chaosEnd, err error) {
	defer os.Remove(filepath.Join(s.dir, chaosDisk))
	defer c.resume(func(heldWorker) bool { return true })
	for err == nil {
		if c.pending == nil { // what the run before has left goes first
			d := c.script.next()
			c.pending = &d
		}
		d := *c.pending
		pause := time.Duration(d.pause*float64(c.every)) << min(c.growth.faults/calmAfter, 16)
		if err = c.rest(ctx, s, pause); err == nil {
			c.pending = nil
			c.growth.faults++
			err = c.deal(ctx, s, d, r, &e)
		}
	}
	switch {
	case errors.Is(err, errEnded):
		c.noteGroups(s)
		return e, nil
	case errors.Is(err, errHangs):
		s.signal(unix.SIGKILL)
		<-s.ended
		e.hangs = fmt.Sprintf("%v since %v: killed", err, time.Since(c.growth.since).Round(time.Second))
		return e, nil
	}
	c.end(ctx, s)
	return e, err
}

// limit is how long a job may take without any progress, be there faults or not.
func (c *chaosRun) limit() time.Duration {
	return time.Minute + time.Duration(50*c.report.Undisturbed.WallS*float64(time.Second))
}

// rest sleeps, watches and lets those run again that are due. The error is why
// there is nothing to wait for: errEnded, errHangs, that of ctx.
func (c *chaosRun) rest(ctx context.Context, s *supervisor, d time.Duration) error {
	const look = 50 * time.Millisecond
	timer := time.NewTimer(0)
	defer timer.Stop()
	for end := time.Now().Add(d); ; {
		select {
		case <-s.ended:
			return errEnded
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		now := time.Now()
		c.resume(func(h heldWorker) bool { return !now.Before(h.until) })
		c.say()
		if c.round > 0 {
			if c.growth.look(); time.Since(c.growth.since) > c.limit() {
				return errHangs
			}
		}
		if !now.Before(end) {
			return nil
		}
		next := min(end.Sub(now), look)
		for _, h := range c.held {
			next = min(next, h.until.Sub(now))
		}
		timer.Reset(next)
	}
}

func (c *chaosRun) say() {
	if c.round == 0 {
		c.show("without faults")
		return
	}
	c.show(fmt.Sprintf("round %d of %d, %d runs so far", c.round, c.flags.rounds, len(c.ours)))
}

func (c *chaosRun) hold(d chaosDecision) time.Duration {
	return min(time.Duration(d.hold*float64(c.every)), longestHold)
}

// deal does what was decided, and counts it if it has hit.
func (c *chaosRun) deal(ctx context.Context, s *supervisor, d chaosDecision, r *chaosRound, e *chaosEnd) error {
	switch d.fault {
	case faultKillSupervisor, faultTermSupervisor:
		sig := unix.SIGKILL
		if d.fault == faultTermSupervisor {
			sig = unix.SIGTERM
		}
		if s.signal(sig) != nil {
			<-s.ended
			return errEnded
		}
		r.Faults[d.fault]++
		e.fault = d.fault
		return c.await(ctx, s)
	case faultStopSupervisor:
		if s.signal(unix.SIGSTOP) != nil {
			<-s.ended
			return errEnded
		}
		r.Faults[d.fault]++
		defer s.signal(unix.SIGCONT)
		return c.rest(ctx, s, c.hold(d))
	case faultENOSPC:
		return c.fillDisk(ctx, s, d, r, e)
	}
	return c.hitWorker(ctx, s, d, r, e)
}

// goodbye bounds the end of a run that is to end.
const goodbye = 30 * time.Second

func (c *chaosRun) await(ctx context.Context, s *supervisor) error {
	if err := c.rest(ctx, s, goodbye); err != nil {
		return err
	}
	return fmt.Errorf("the run should have ended within %v: %w", goodbye, errHangs)
}

// fillDisk makes the disk full until the run has ended of it or, where it writes
// nothing meanwhile, for a while.
func (c *chaosRun) fillDisk(ctx context.Context, s *supervisor, d chaosDecision, r *chaosRound, e *chaosEnd) error {
	name := filepath.Join(s.dir, chaosDisk)
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		return err
	}
	e.full = true
	for end := time.Now().Add(c.hold(d) + 250*time.Millisecond); time.Now().Before(end); {
		err := c.rest(ctx, s, 2*time.Millisecond)
		if info, statErr := os.Stat(name); statErr == nil && info.Size() > 0 {
			r.Faults[faultENOSPC]++
			if err == nil {
				err = c.await(ctx, s)
			}
		}
		if err != nil {
			return err
		}
	}
	return os.Remove(name)
}

// hitWorker waits for a worker and sends it a signal.
func (c *chaosRun) hitWorker(ctx context.Context, s *supervisor, d chaosDecision, r *chaosRound, e *chaosEnd) error {
	sig := map[chaosFault]unix.Signal{faultKillWorker: unix.SIGKILL, faultSegvWorker: unix.SIGSEGV, faultStopWorker: unix.SIGSTOP}[d.fault]
	for {
		if fd, pid, ok := c.pick(s, d.rank); ok {
			err := unix.PidfdSendSignal(fd, sig, nil, 0)
			if err == nil {
				r.Faults[d.fault]++
				e.workers = true
			}
			if err == nil && d.fault == faultStopWorker {
				c.held = append(c.held, heldWorker{fd, pid, time.Now().Add(c.hold(d))})
			} else {
				unix.Close(fd)
			}
			if err == nil {
				return nil
			}
		}
		if err := c.rest(ctx, s, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// pick opens the handle of one of the workers that are not stopped.
func (c *chaosRun) pick(s *supervisor, rank uint32) (fd, pid int, ok bool) {
	pids := slices.DeleteFunc(childrenOf(s.pid()), func(pid int) bool {
		return slices.ContainsFunc(c.held, func(h heldWorker) bool { return h.pid == pid })
	})
	slices.Sort(pids)
	if len(pids) == 0 {
		return -1, 0, false
	}
	pid = pids[rank%uint32(len(pids))]
	fd, err := openProcess(pid, func(p process) bool { return p.parent == s.pid() && isWorkerProcess(pid) })
	return fd, pid, err == nil
}

// isWorkerProcess: a worker has no arguments. A child that has still those of the run
// is about to become one.
func isWorkerProcess(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && strings.Count(string(b), "\x00") == 1
}

// resume lets those workers run again that are due.
func (c *chaosRun) resume(due func(heldWorker) bool) {
	c.held = slices.DeleteFunc(c.held, func(h heldWorker) bool {
		if !due(h) {
			return false
		}
		unix.PidfdSendSignal(h.fd, unix.SIGCONT, nil, 0) // a dead one does not mind
		unix.Close(h.fd)
		return true
	})
}
