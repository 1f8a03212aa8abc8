package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
	"example.com/handoff/shm/shmtest"
)

// watchdog is far above what anything here takes.
const watchdog = 30 * time.Second

// within runs f and fails the test if it hangs.
func within(t *testing.T, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-time.After(watchdog):
		t.Fatal("it hangs")
		return nil
	}
}

var processStrategies = strategies[:len(strategies)-1]

func TestKilledPeer(t *testing.T) {
	for _, name := range processStrategies {
		t.Run(name, func(t *testing.T) {
			held(t)
			s, err := open(background(), arrays[shm.Float64], []string{name}, TouchSum, 1<<20)
			require.NoError(t, err)
			m, err := newSampler(s.carriers[0], newInstance(t, 1<<20, TouchSum))
			require.NoError(t, err)
			_, err = m.burst(background(), 1)
			require.NoError(t, err)

			// Sometimes between handoffs, sometimes in the middle of one.
			go func() {
				time.Sleep(rand.N(3 * time.Millisecond))
				unix.Kill(m.c.pid(), unix.SIGKILL)
			}()
			err = within(t, func() error {
				for {
					if _, err := m.burst(background(), 1); err != nil {
						return err
					}
				}
			})
			require.ErrorIs(t, err, pool.ErrWorkerDied)
			require.Regexp(t, "killed|replaced", err.Error())
			require.NoError(t, m.c.unload())
			require.NoError(t, s.close(background(), true))
		})
	}
}

// stop returns when the process is stopped, not when it was told to.
func stop(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, unix.Kill(pid, unix.SIGSTOP))
	require.Eventually(t, func() bool {
		b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return strings.Contains(string(b), ") T ")
	}, watchdog, time.Millisecond)
}

// A peer that is stopped neither answers nor dies.
func TestStoppedPeer(t *testing.T) {
	for _, name := range []string{gobReused, pipeRaw, unixRaw, shmCopy} {
		t.Run(name, func(t *testing.T) {
			held(t)
			s, err := open(background(), arrays[shm.Float64], []string{name}, TouchSum, 1<<20)
			require.NoError(t, err)
			m, err := newSampler(s.carriers[0], newInstance(t, 1<<20, TouchSum))
			require.NoError(t, err)
			stop(t, m.c.pid())
			m.stall = 50 * time.Millisecond
			err = within(t, func() error { _, err := m.burst(background(), 1); return err })
			require.ErrorContains(t, err, "no answer within 50ms")
			require.NoError(t, m.c.unload())
			require.NoError(t, within(t, func() error { return s.close(background(), true) }))
		})
	}
}

// A peer that fails says why, at start and later.
func TestPeersOwnError(t *testing.T) {
	s := newSession(t, TouchSum, 64, pipeRaw)
	_, err := newStream(background(), s.pool, floats, pipeRaw, "/nonexistent", TouchSum, 64)
	require.ErrorIs(t, err, os.ErrNotExist)

	m, err := newSampler(s.carriers[0], newInstance(t, 128, TouchSum)) // more than was agreed
	require.NoError(t, err)
	_, err = m.burst(background(), 1)
	var own *pool.TaskError
	require.ErrorAs(t, err, &own)
	require.ErrorContains(t, err, "array of 128 bytes, expected a multiple of 8 up to 64")
	require.ErrorAs(t, s.close(background(), false), &own)
	s.carriers = nil
}

func TestRunWithKilledPeer(t *testing.T) {
	held(t)
	err := within(t, func() error {
		_, err := Run(background(), &Options{Sizes: []int64{1 << 20}, Count: 1_000_000, Progress: func(done, total int, _ string) {
			pids := shmtest.Children(os.Getpid())
			pid, err := strconv.Atoi(pids[rand.N(len(pids))])
			require.NoError(t, err)
			require.NoError(t, unix.Kill(pid, unix.SIGKILL))
		}})
		return err
	})
	require.ErrorIs(t, err, pool.ErrWorkerDied)
	require.ErrorContains(t, err, " at 1MiB: ")
}

func TestCancelLeavesNothing(t *testing.T) {
	held(t)
	why := errors.New("enough")
	for _, after := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond, 400 * time.Millisecond} {
		ctx, cancel := context.WithCancelCause(background())
		timer := time.AfterFunc(after, func() { cancel(why) })
		err := within(t, func() error {
			_, err := Run(ctx, &Options{Sizes: []int64{64, 4 << 20}, Count: 1_000_000})
			return err
		})
		require.Error(t, err, after)
		require.True(t, errors.Is(err, why) || errors.Is(err, context.Canceled), err)
		timer.Stop()
	}
}

func TestTooLittleSpace(t *testing.T) {
	held(t)
	have, ok := memInfo("MemTotal")
	require.True(t, ok)
	_, err := Run(background(), &Options{Sizes: []int64{have&^7 + 8}, Strategies: []string{shmCopy}})
	require.ErrorContains(t, err, "choose smaller sizes")

	_, err = open(background(), arrays[shm.Float64], []string{shmCopy}, TouchSum, (max(have, shmBytes())+1<<20)&^7+8)
	var space *shm.SpaceError
	require.ErrorAs(t, err, &space)
	require.ErrorContains(t, err, "1 shm strategies with arrays of")
	_, err = open(background(), arrays[shm.Float64], []string{shmCopy, shmFresh}, TouchSum, 1<<62)
	require.ErrorContains(t, err, "overflow")
}
