package pipeline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool"
	"example.com/handoff/shm/shmtest"
)

// newPool makes a pool that is closed at the end of the test and held to leave
// nothing: no file, descriptor, child, mapping or goroutine. Its table is small, so that
// requireNothingHeld can fill it.
func newPool(t testing.TB, opts *pool.Options) *testPool {
	t.Helper()
	if opts.MaxPending == 0 {
		opts.MaxPending = 256
	}
	shmtest.NoResidue(t)
	p, err := pool.New(context.Background(), opts)
	require.NoError(t, err)
	id := p.Run().ID()
	t.Cleanup(func() {
		require.NoError(t, p.Close(context.Background()))
		left, _ := filepath.Glob("/dev/shm/*" + id + "*")
		require.Empty(t, left)
	})
	return &testPool{p, opts}
}

type testPool struct {
	*pool.Pool
	opts *pool.Options
}

var resultsLive = pool.Func("test.resultsLive", func(t *pool.Task, _ struct{}) (int64, error) { return t.Arena().Stats().Live, nil })

// requireNothingHeld waits until no arena of p has an array in use and every place in
// its table is free.
func requireNothingHeld(t *testing.T, p *testPool) {
	t.Helper()
	shmtest.Eventually(t, func() bool {
		return p.Stats().Unresolved == 0 && p.Arena().Stats().Live == 0 && p.Outputs().Stats().Live == 0
	}, "arrays or tasks are left")
	var all []pool.Future[int64]
	for range p.opts.MaxPending {
		f, err := resultsLive.Submit(background(), p.Pool, struct{}{})
		require.NoError(t, err, "a place in the table is not free")
		all = append(all, f)
	}
	for _, f := range all {
		_, err := f.Wait(background())
		require.NoError(t, err)
	}
	for range 2 * p.opts.Workers { // whichever worker has it, when it has heard
		shmtest.Eventually(t, func() bool {
			f, err := resultsLive.Submit(background(), p.Pool, struct{}{})
			require.NoError(t, err)
			n, err := f.Wait(background())
			require.NoError(t, err)
			return n == 0
		}, "a result is held")
	}
}

// bothIsolations runs a test in both isolations, and with processes over both kinds of
// segments.
func bothIsolations(t *testing.T, test func(t *testing.T, opts pool.Options)) {
	for _, opts := range []pool.Options{{Isolation: pool.Process}, {Isolation: pool.Process, Arenas: pool.Arenas{Anonymous: true}}, {Isolation: pool.Goroutine}} {
		opts.Workers = 2
		t.Run(fmt.Sprintf("isolation=%s/anonymous=%v", opts.Isolation, opts.Arenas.Anonymous), func(t *testing.T) { test(t, opts) })
	}
}

// settled is Stats once it is known how all workers have ended that are dead.
func settled(t testing.TB, p *testPool) (s pool.Stats) {
	t.Helper()
	shmtest.Eventually(t, func() bool { s = p.Stats(); return s.Dying == 0 }, "a death is not classified")
	return s
}

// killWorkers kills one of p's workers again and again, none twice.
func killWorkers(p *testPool, every time.Duration) (stop func() int) {
	end, killed := make(chan struct{}), make(chan int)
	go func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		dead := map[int]bool{} // incarnations
		for {
			select {
			case <-end:
				killed <- len(dead)
				return
			case <-ticker.C:
			}
			living := slices.DeleteFunc(p.Stats().Workers, func(w pool.WorkerStats) bool { return w.State == pool.StateDead || dead[w.Incarnation] })
			if len(living) > 0 {
				w := living[rand.N(len(living))]
				unix.Kill(w.PID, unix.SIGKILL)
				dead[w.Incarnation] = true
			}
		}
	}()
	return func() int { close(end); return <-killed }
}
