package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"example.com/handoff/pool"
)

// A session is the strategies' carriers and the workers behind them.
type session struct {
	pool     *pool.Pool // nil if no strategy needs a process
	carriers []carrier
}

// startTimeout bounds the start and the connections of all peers together.
const startTimeout = 30 * time.Second

// open starts a worker for each strategy over a stream and one for the shm
// strategies, and returns when all are connected. Arrays have at most maxBytes.
func open(ctx context.Context, what *payload, names []string, touch Touch, maxBytes int64) (_ *session, err error) {
	s := &session{}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("bench: %w", err), s.close(ctx, true))
		}
	}()
	start, started := starting(ctx)
	defer started()
	streams, shares := count(names, isStream), count(names, isShared)
	if workers := streams + min(shares, 1); workers > 0 {
		// One attempt: a peer that dies ends the run, it is not replaced.
		if s.pool, err = pool.New(start, &pool.Options{Workers: workers, Attempts: 1}); err != nil {
			return nil, err
		}
	}
	if err := s.reserve(int64(shares), maxBytes); err != nil {
		return nil, err
	}
	dir := ""
	if streams > 0 {
		if dir, err = privateDir(); err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir) // what is open needs no name
	}
	for _, name := range names {
		var c carrier
		switch {
		case isStream(name):
			c, err = newStream(start, s.pool, what, name, dir, touch, maxBytes)
		case isShared(name):
			c, err = newShared(start, s.pool, what, name, touch)
		default:
			c = newLocal(what, touch)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: start: %w", name, err)
		}
		s.carriers = append(s.carriers, c)
	}
	return s, s.checkPIDs()
}

// starting ends after startTimeout. It has no deadline: that would reach the tasks of the
// peers, which are submitted under it and outlive it.
func starting(ctx context.Context) (start context.Context, started func()) {
	start, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(startTimeout, func() { cancel(fmt.Errorf("not started within %v", startTimeout)) })
	return start, func() { late.Stop(); cancel(nil) }
}

func count(names []string, is func(string) bool) (n int) {
	for _, name := range names {
		if is(name) {
			n++
		}
	}
	return n
}

// reserve takes, and gives back, the shared memory that the largest size needs:
// one array for each shm strategy.
func (s *session) reserve(arrays, maxBytes int64) error {
	if arrays == 0 {
		return nil
	}
	need := arrays * (maxBytes + int64(os.Getpagesize())) // each in pages of its own
	if need/arrays < maxBytes {
		return fmt.Errorf("%d arrays of %s overflow", arrays, FormatSize(maxBytes))
	}
	seg, err := s.pool.Run().Create(need)
	if err != nil {
		return fmt.Errorf("%d shm strategies with arrays of %s: %w", arrays, FormatSize(maxBytes), err)
	}
	return seg.Close()
}

// privateDir is a new directory that only this user can enter, with a path that
// leaves room for the name of a socket: the kernel takes 107 bytes in all.
func privateDir() (string, error) {
	const pattern, mostBytes = "handoff-bench-", 90
	dir, err := os.MkdirTemp("", pattern)
	if err == nil && len(dir) > mostBytes {
		os.Remove(dir)
		dir, err = os.MkdirTemp("/tmp", pattern)
	}
	return dir, err
}

// checkPIDs holds what the peers said of themselves against what the pool
// knows: each is a worker, and another process than this one.
func (s *session) checkPIDs() error {
	for _, c := range s.carriers {
		if c.strategy() == inProcess {
			continue
		}
		ours := func(w pool.WorkerStats) bool { return w.PID == c.pid() }
		if c.pid() == os.Getpid() || !slices.ContainsFunc(s.pool.Stats().Workers, ours) {
			return fmt.Errorf("%s: process %d answers, which is not a worker", c.strategy(), c.pid())
		}
	}
	return nil
}

// close ends the peers and the pool, at once if the session has failed: what
// the peers then have to say is not heard.
func (s *session) close(ctx context.Context, failed bool) error {
	var errs []error
	for _, c := range s.carriers {
		errs = append(errs, c.close())
	}
	if s.pool != nil {
		if failed {
			var now context.CancelFunc
			ctx, now = context.WithCancel(ctx)
			now()
		}
		errs = append(errs, s.pool.Close(ctx))
	}
	for _, c := range s.carriers {
		if err := c.wait(); err != nil && !failed {
			errs = append(errs, fmt.Errorf("%s: end: %w", c.strategy(), err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	return nil
}
