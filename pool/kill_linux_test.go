package pool

import (
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
)

// Tiny tasks while workers are killed all the time: each has its own result, and
// has it once.
func TestTasksUnderKills(t *testing.T) {
	tasks, every := 200_000, 3*time.Millisecond
	switch {
	case os.Getenv("HANDOFF_SOAK") != "":
		tasks = 10_000_000
	case raceEnabled:
		tasks, every = 20_000, 10*time.Millisecond // a start takes longer too
	}
	const window = 512 // futures at once
	p := newPool(t, &Options{Workers: 4, Replacement: Replacement{KeepWidth: true}, Attempts: wire.MaxAttempts})
	stop := killWorkers(p, every)
	var futures [window]Future[uint64]
	for i := range tasks + window {
		if i >= window {
			id := uint64(i - window)
			v, err := futures[id%window].Wait(background())
			if err != nil || v != scramble(id) {
				stop()
				require.NoError(t, err)
				require.Equal(t, scramble(id), v, "the result of task %d", id)
			}
		}
		if i < tasks {
			var err error
			if futures[i%window], err = scrambled.Submit(background(), p, uint64(i)); err != nil {
				stop()
				require.NoError(t, err)
			}
		}
	}
	kills := stop()
	require.NotZero(t, kills, "the test tests nothing")
	for _, f := range futures {
		_, err := f.Wait(background())
		require.ErrorIs(t, err, ErrWaited)
	}
	eventually(t, func() bool { return p.Stats().Deaths[ExitSignal] == int64(kills) }, "deaths were not noticed")
	s := p.Stats()
	require.Len(t, s.Deaths, 1)
	require.GreaterOrEqual(t, s.Attempts, int64(tasks))
	require.LessOrEqual(t, s.Attempts, int64(tasks+kills), "a death costs one attempt")
	t.Logf("%d tasks, %d kills, %d attempts", tasks, kills, s.Attempts)
}

var scrambled = Func("test.scrambled", func(_ *Task, n uint64) (uint64, error) { return scramble(n), nil })

// scramble is one to one: no two tasks have the same result.
func scramble(n uint64) uint64 {
	n = (n ^ n>>31) * 0x9e3779b97f4a7c15
	return n ^ n>>29
}

// killWorkers kills a random worker that is ready now and then, until stop is
// called, which says how many were.
func killWorkers(p *Pool, every time.Duration) (stop func() int) {
	end, killed := make(chan struct{}), make(chan int)
	go func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		n, last := 0, make([]proc.Process, len(p.slots.all)) // none is counted twice
		for {
			select {
			case <-end:
				killed <- n
				return
			case <-ticker.C:
			}
			p.mu.Lock()
			if w := p.slots.all[rand.N(len(p.slots.all))]; w.link != nil && w.proc != last[w.slot] {
				last[w.slot] = w.proc
				w.proc.Kill()
				n++
			}
			p.mu.Unlock()
		}
	}()
	return func() int { close(end); return <-killed }
}
