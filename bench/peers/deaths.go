package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"example.com/handoff/bench/stat"
	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// A worker is killed in the middle of a task: how long until the same task runs
// in another one, against starting any process at all.
var deathRows = []row{
	{name: "worker killed → its task runs in a new one / bare spawn", goal: atMost(1.5), setup: func(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
		ours, err = s.death(ctx, 0)
		return ours, s.spawn, err
	}},
	{name: "worker killed → its task runs in a warm spare / bare spawn", goal: atMost(0.2), setup: func(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
		ours, err = s.death(ctx, 1)
		return ours, s.spawn, err
	}},
}

type victimIn struct{ PID shm.Array[int64] }

// victim says who it is and waits to be killed; run again, it answers with the
// time, in nanoseconds since 1970, at which that began.
var victim = pool.Func("peers.victim", func(t *pool.Task, in victimIn) (int64, error) {
	now := time.Now().UnixNano()
	if t.Attempt() > 1 {
		return now, nil
	}
	atomic.StoreInt64(&in.PID.Data()[0], int64(os.Getpid()))
	select {
	case <-t.Context().Done():
	case <-time.After(deathTime):
	}
	return 0, errors.New("nobody killed the worker")
})

const deathTime = 20 * time.Second

var rest = pool.Func("peers.rest", func(_ *pool.Task, ns int64) (int64, error) {
	time.Sleep(time.Duration(ns))
	return int64(os.Getpid()), nil
})

// death is a side: from the kill to the first line of the second attempt.
func (s *session) death(ctx context.Context, spares int) (stat.Side, error) {
	p, err := s.poolOf(ctx, &pool.Options{Workers: 1, Replacement: pool.Replacement{Spares: spares, KeepWidth: true}})
	if err != nil {
		return nil, err
	}
	pid, err := shm.Make[int64](p.Outputs(), 1)
	if err != nil {
		return nil, err
	}
	s.cleanup(func() error { pid.Release(); return nil })
	return func(ctx context.Context) (float64, error) {
		ctx, cancel := context.WithTimeout(ctx, deathTime)
		defer cancel()
		if err := spared(ctx, p, spares); err != nil {
			return 0, err
		}
		at := &pid.Data()[0]
		atomic.StoreInt64(at, 0)
		f, err := victim.Submit(ctx, p, victimIn{pid})
		if err != nil {
			return 0, err
		}
		for atomic.LoadInt64(at) == 0 {
			if ctx.Err() != nil {
				return 0, context.Cause(ctx)
			}
			time.Sleep(100 * time.Microsecond)
		}
		killed := time.Now().UnixNano()
		if err := kill(int(atomic.LoadInt64(at))); err != nil {
			return 0, err
		}
		began, err := f.Wait(ctx)
		return float64(began - killed), err
	}, nil
}

// spared returns when the worker has done a task and all spares are there.
func spared(ctx context.Context, p *pool.Pool, spares int) error {
	err := allReady(ctx, p, 1)
	for err == nil && p.Stats().Spares < spares {
		time.Sleep(time.Millisecond)
		err = context.Cause(ctx)
	}
	return err
}

// allReady returns when every worker has done a task.
func allReady(ctx context.Context, p *pool.Pool, workers int) error {
	for ctx.Err() == nil {
		var flying []pool.Future[int64]
		for range workers {
			f, err := rest.Submit(ctx, p, int64(time.Millisecond))
			if err != nil {
				return err
			}
			flying = append(flying, f)
		}
		pids := map[int64]bool{}
		for _, f := range flying {
			pid, err := f.Wait(ctx)
			if err != nil {
				return err
			}
			pids[pid] = true
		}
		if len(pids) == workers {
			return nil
		}
	}
	return context.Cause(ctx)
}

// spawn is a side: from starting a copy of this program to its first byte.
func (s *session) spawn(context.Context) (float64, error) {
	cmd, err := self("byte")
	if err != nil {
		return 0, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	ownGroup(cmd)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	timer := time.AfterFunc(exitTimeout, func() { killGroup(cmd.Process) })
	defer timer.Stop()
	var b [1]byte
	_, err = io.ReadFull(out, b[:])
	took := time.Since(start)
	if err = errors.Join(err, cmd.Wait()); err != nil {
		return 0, fmt.Errorf("a copy of this program: %w", err)
	}
	return float64(took), nil
}
