package pool

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// cpuOf is what a process has used so far, in user and kernel mode.
func cpuOf(t *testing.T, pid int) time.Duration {
	t.Helper()
	total := time.Duration(0)
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	require.NoError(t, err)
	for _, task := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, task.Name()))
		if err != nil {
			continue // it has ended
		}
		ns, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
		require.NoError(t, err)
		total += time.Duration(ns)
	}
	return total
}

// A pool that has nothing to do uses next to nothing, a worker that waits for a
// task too, and so does a caller that waits for a long one.
func TestIdlePoolRests(t *testing.T) {
	p := newPool(t, &Options{Workers: 4})
	for i := range int64(1000) { // all have been awake
		f, err := addOne.Submit(background(), p, i)
		require.NoError(t, err)
		_, err = f.Wait(background())
		require.NoError(t, err)
	}
	watch := time.Second
	if os.Getenv("HANDOFF_SOAK") != "" {
		watch = 10 * time.Second
	}
	measure := func(what string) {
		eventually(t, func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.helpers.dispatcherRests || p.tasks.unresolved > 0
		}, "no rest")
		pids := []int{unix.Getpid()}
		for _, w := range p.Stats().Workers {
			pids = append(pids, w.PID)
		}
		before := make([]time.Duration, len(pids))
		for i, pid := range pids {
			before[i] = cpuOf(t, pid)
		}
		time.Sleep(watch)
		for i, pid := range pids {
			used := cpuOf(t, pid) - before[i]
			t.Logf("%s: process %d used %v of %v: %.2f %% of a core", what, i, used, watch, 100*float64(used)/float64(watch))
			require.Less(t, used, watch/10, what) // it spins
		}
	}
	measure("idle")
	f, err := pid.Submit(background(), p, watch+watch/2)
	require.NoError(t, err)
	waited := make(chan error)
	go func() {
		_, err := f.Wait(background())
		waited <- err
	}()
	measure("waiting")
	require.NoError(t, <-waited)
}
