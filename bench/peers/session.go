package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"example.com/handoff/bench/internal/cores"
	"example.com/handoff/bench/stat"
	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// A session is what the process of one row works with. It ends what it started,
// last first.
type session struct {
	quick   bool
	span    time.Duration // of a sample that is many short operations
	other   int           // the core for peers; -1: wherever
	closers []func() error
}

func newSession(quick bool, other int) *session {
	s := &session{quick: quick, span: 20 * time.Millisecond, other: other}
	if quick {
		s.span = 3 * time.Millisecond
	}
	return s
}

func (s *session) cleanup(f func() error) { s.closers = append(s.closers, f) }

func (s *session) close() (err error) {
	for _, f := range slices.Backward(s.closers) {
		err = errors.Join(err, f())
	}
	s.closers = nil
	return err
}

// few is n, or fewer with -quick.
func (s *session) few(n, quick int) int {
	if s.quick {
		return quick
	}
	return n
}

// pool starts a pool and puts its workers where the row's peers belong.
func (s *session) pool(ctx context.Context, workers int) (*pool.Pool, error) {
	return s.poolOf(ctx, &pool.Options{Workers: workers})
}

func (s *session) poolOf(ctx context.Context, opts *pool.Options) (*pool.Pool, error) {
	p, err := pool.New(ctx, opts)
	if err != nil {
		return nil, err
	}
	s.cleanup(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), exitTimeout)
		defer cancel()
		return p.Close(ctx)
	})
	if s.other >= 0 {
		for _, w := range p.Stats().Workers {
			if err := cores.MoveTo(w.PID, s.other); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// arena is one of this process, outside of any pool.
func (s *session) arena() (*shm.Run, *shm.Arena, error) {
	run, err := shm.NewRun()
	if err != nil {
		return nil, nil, err
	}
	s.cleanup(run.Close)
	return run, run.NewArena(nil), nil
}

// tempDir is removed at the end.
func (s *session) tempDir() (string, error) {
	dir, err := os.MkdirTemp("", "handoff-peers-")
	if err == nil {
		s.cleanup(func() error { return os.RemoveAll(dir) })
	}
	return dir, err
}

// A skip says why a row could not be measured here.
type skip string

func (s skip) Error() string { return string(s) }

// need skips a row that takes more memory than there is: heap and shared bytes.
func need(heap, shared int64) error {
	m, err := shm.Inspect()
	switch {
	case err != nil:
		return err
	case m.Mount.Free < shared:
		return skip(fmt.Sprintf("needs %s of /dev/shm, %s are free", stat.Size(shared), stat.Size(m.Mount.Free)))
	case m.Available != shm.Unlimited && m.Available < heap+shared:
		return skip(fmt.Sprintf("needs %s of memory, %s are free", stat.Size(heap+shared), stat.Size(m.Available)))
	}
	for _, l := range m.Memory {
		if l.Free < heap+shared {
			return skip(fmt.Sprintf("needs %s of memory, %s leaves %s", stat.Size(heap+shared), l.File, stat.Size(l.Free)))
		}
	}
	return nil
}

// skipped returns why err is no failure but something that this machine lacks;
// "" if it is one.
func skipped(err error) string {
	var s skip
	var space *shm.SpaceError
	if errors.As(err, &s) || errors.As(err, &space) || errors.Is(err, errors.ErrUnsupported) {
		return err.Error()
	}
	return ""
}
