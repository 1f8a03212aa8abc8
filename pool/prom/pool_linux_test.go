package prom

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
	"example.com/handoff/shm/shmtest"
)

// hang makes a file and does not return, unless the file is there.
var hang = pool.Func("prom.test.hang", func(t *pool.Task, file string) (int, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return t.Attempt(), nil
	}
	f.Close()
	<-t.Context().Done()
	return 0, t.Context().Err()
})

type doubleIn struct{ X shm.View[float64] }

type doubleOut struct{ Y shm.OwnedView[float64] }

var double = pool.Func("prom.test.double", func(t *pool.Task, in doubleIn) (out doubleOut, err error) {
	y, err := shm.Make[float64](t.Arena(), in.X.Len())
	if err != nil {
		return out, err
	}
	for i, x := range in.X.Data() {
		y.Data()[i] = 2 * x
	}
	return doubleOut{y.Own()}, nil
})

func newPool(t *testing.T, opts *pool.Options) *pool.Pool {
	t.Helper()
	p, err := pool.New(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close(context.Background())) })
	return p
}

// begin submits a hang and returns when it runs.
func begin(t *testing.T, p *pool.Pool) pool.Future[int] {
	t.Helper()
	file := filepath.Join(t.TempDir(), "begun")
	f, err := hang.Submit(t.Context(), p, file)
	require.NoError(t, err)
	shmtest.Eventually(t, func() bool { _, err := os.Stat(file); return err == nil }, "it does not begin")
	return f
}

// killRunning kills the worker that has a task.
func killRunning(t *testing.T, p *pool.Pool) {
	t.Helper()
	for _, w := range p.Stats().Workers {
		if w.State == pool.StateRunning {
			require.NoError(t, unix.Kill(w.PID, unix.SIGKILL))
			return
		}
	}
	t.Fatal("no worker runs a task")
}

func TestDeath(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 2})
	reg := pedantic(t, New(p, nil))
	shmtest.Eventually(t, func() bool { return values(t, reg)["workers idle"] == 2 }, "not all are up")

	f := begin(t, p)
	v := values(t, reg)
	require.Equal(t, 1.0, v["workers running"])
	require.Equal(t, 1.0, v["workers idle"])
	require.Equal(t, 1.0, v["unresolved_tasks"])
	require.Equal(t, 0.0, v["deaths_total signal"])

	killRunning(t, p)
	attempt, err := f.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, 2, attempt)
	shmtest.Eventually(t, func() bool { return p.Stats().Dying == 0 }, "nobody knows of what it died")
	v = values(t, reg)
	require.Equal(t, 1.0, v["deaths_total signal"])
	require.Equal(t, 1.0, v["respawns_total"])
	require.Equal(t, 1.0, v["retries_total"])
	require.Equal(t, 2.0, v["attempts_total"])
	require.Equal(t, 1.0, v["tasks_total done"])
	require.Equal(t, 0.0, v["memory_deaths_total"])
	require.NotContains(t, v, "ceiling")
	shmtest.Eventually(t, func() bool { return values(t, reg)["workers idle"] == 2 }, "it is not replaced")
}

// Two kills soon after one another look like those of a kernel short of memory.
func TestShortOfMemory(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 2, Timeouts: pool.Timeouts{Stop: 800 * time.Millisecond}}) // processes are looked at every 200 ms
	reg := pedantic(t, New(p, prometheus.Labels{"pool": "x"}))
	for range 2 {
		f := begin(t, p)
		killRunning(t, p)
		_, err := f.Wait(t.Context())
		require.NoError(t, err)
	}
	f := begin(t, p)
	var v map[string]float64
	shmtest.Eventually(t, func() bool {
		v = values(t, reg)
		return v["worker_private_bytes 0"]+v["worker_private_bytes 1"] > 1<<20
	}, "nobody looks at the worker's memory")
	require.Equal(t, 2.0, v["deaths_total signal"])
	require.Equal(t, 1.0, v["memory_deaths_total"])
	require.Equal(t, 2.0, v["target"])
	require.Equal(t, 1.0, v["width"])
	require.Equal(t, 1.0, v["ceiling"])

	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
	families, err := reg.Gather()
	require.NoError(t, err)
	require.Len(t, families, len(metrics))

	f.Cancel()
	_, err = f.Wait(t.Context())
	require.ErrorIs(t, err, pool.ErrCancelled)
	require.Equal(t, 1.0, values(t, reg)["tasks_total cancelled"])
}

// Scrapes from several goroutines while tasks run: no counter falls, and in the
// end all is counted.
func TestScrapesWhileTasksRun(t *testing.T) {
	const tasks, elements = 500, 1000
	p := newPool(t, &pool.Options{Workers: 2})
	reg := pedantic(t, New(p, nil))
	x, err := shm.PutCopy(p.Arena(), make([]float64, elements))
	require.NoError(t, err)
	defer x.Release()

	done := make(chan struct{})
	var scrapes sync.WaitGroup
	for range 4 {
		scrapes.Go(func() {
			last := map[string]float64{}
			for {
				v, err := scrape(reg)
				if err != nil {
					t.Error(err)
					return
				}
				for key, n := range v {
					if strings.Contains(key, "_total") && n < last[key] {
						t.Errorf("%s falls from %v to %v", key, last[key], n)
					}
				}
				last = v
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for out, err := range double.Map(t.Context(), p, func(yield func(doubleIn) bool) {
		for range tasks {
			if !yield(doubleIn{x.View()}) {
				return
			}
		}
	}) {
		require.NoError(t, err)
		out.Value.Y.Release()
	}
	close(done)
	scrapes.Wait()

	v := values(t, reg)
	require.Equal(t, float64(tasks), v["tasks_total done"])
	require.Equal(t, float64(tasks), v["attempts_total"])
	require.Equal(t, float64(tasks*elements*8), v["task_array_bytes_total"])
	require.Equal(t, float64(tasks*elements*8), v["result_array_bytes_total"])
	require.Positive(t, v["result_mapped_bytes"])
	require.Zero(t, v["unresolved_tasks"])
}

// A closed pool can be scraped: its counters stay, its workers are gone.
func TestClosedPool(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 1})
	reg := pedantic(t, New(p, nil))
	f := begin(t, p)
	f.Cancel()
	_, err := f.Wait(t.Context())
	require.ErrorIs(t, err, pool.ErrCancelled)
	require.NoError(t, p.Close(context.Background()))
	v := values(t, reg)
	require.Equal(t, 1.0, v["tasks_total cancelled"])
	require.Zero(t, v["workers idle"]+v["workers running"]+v["workers draining"])
	require.Zero(t, v["unresolved_tasks"])
}
