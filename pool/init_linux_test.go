package pool

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/life"
)

// Init has run before the first task and Teardown after the last, in each worker;
// one that dies does not come to it.
func TestInitAndTeardown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	p := newPool(t, &Options{Workers: 2, Env: []string{"POOL_TEST_HOOKS=" + file}, Replacement: Replacement{AfterTasks: 3}})
	for _, err := range pid.Map(background(), p, make100) {
		require.NoError(t, err)
	}
	started := p.Stats().Retired + int64(len(allUp(t, p, 2)))
	require.NoError(t, p.Close(background()))
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.Fields(string(b))
	slices.Sort(lines)
	count := map[string]int64{}
	for _, l := range lines {
		count[strings.SplitN(l, ":", 2)[0]]++
	}
	require.GreaterOrEqual(t, count["first"], started)
	require.Equal(t, count["first"], count["second"])
	require.Equal(t, count["first"], count["last"])
}

var initCount atomic.Int32

func hookLog(what string) error {
	if file := os.Getenv("POOL_TEST_HOOKS"); file != "" {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		fmt.Fprintf(f, "%s:%d\n", what, os.Getpid())
	}
	return nil
}

var (
	_ = Init("test.first", func() error {
		initCount.Add(1)
		if file := os.Getenv("POOL_TEST_INIT_NEEDS"); file != "" {
			if _, err := os.Stat(file); err != nil {
				return fmt.Errorf("the cache is gone: %w", err)
			}
		}
		return hookLog("first")
	})
	_ = Init("test.second", func() error {
		if initCount.Load() == 0 {
			panic("not in order")
		}
		return hookLog("second")
	})
	_ = Teardown("test.last", func() error { return hookLog("last") })
)

// Workers whose Init fails are not started for ever: the pool ends with the cause,
// which its tasks get.
func TestInitFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cache")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	var starts atomic.Int32
	p := newPool(t, &Options{Workers: 2, Env: []string{"POOL_TEST_INIT_NEEDS=" + file}, OnEvent: func(e Event) {
		if e.Kind == EventDeath {
			starts.Add(1)
		}
	}})
	up := allUp(t, p, 2)
	require.NoError(t, os.Remove(file))
	began := time.Now()
	var futures []Future[int]
	for range 10 {
		futures = append(futures, submitWork(t, p, workIn{How: "sleep", For: 10 * time.Second}))
	}
	for _, w := range up {
		unix.Kill(w.PID, unix.SIGKILL)
	}
	for _, f := range futures {
		_, err := f.Wait(background())
		require.ErrorContains(t, err, "the cache is gone")
		require.ErrorIs(t, err, ErrClosed)
	}
	require.LessOrEqual(t, float64(starts.Load()), max(1, math.Ceil(time.Since(began).Seconds()))*10)
	_, err := New(background(), &Options{Workers: 1, Env: []string{"POOL_TEST_INIT_NEEDS=" + file}})
	require.ErrorContains(t, err, "the cache is gone")
}

// While one worker works, others whose Init fails do not end the pool; it has them
// back when Init is mended.
func TestInitFailsForSome(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cache")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	var failed atomic.Int32
	p := newPool(t, &Options{Workers: 2, Env: []string{"POOL_TEST_INIT_NEEDS=" + file}, OnEvent: func(e Event) {
		if e.Kind == EventDeath && e.Death.Class == ExitStart {
			failed.Add(1)
		}
	}})
	up := allUp(t, p, 2)
	require.NoError(t, os.Remove(file))
	unix.Kill(up[0].PID, unix.SIGKILL)
	eventually(t, func() bool { return failed.Load() > life.MaxFailedStarts }, "Init does not fail")
	requireAttempt(t, submitWork(t, p, workIn{How: "sleep", For: time.Millisecond}), 1)
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	allUp(t, p, 2)
}

// A supervisor that is killed takes workers with it whose Init hangs.
func TestSupervisorKilledDuringInit(t *testing.T) {
	cmd := program("hanging init")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.Equal(t, "starting", readLine(t, out))
	var pids []int
	eventually(t, func() bool { pids = descendants(t, cmd.Process.Pid); return len(pids) == 2 }, "no workers")
	time.Sleep(100 * time.Millisecond) // they are in Init
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	requireGone(t, pids)
}

func init() {
	programs["hanging init"] = func([]string) {
		fmt.Println("starting")
		New(background(), &Options{Workers: 2, Timeouts: Timeouts{Start: time.Hour}, Env: []string{"POOL_TEST_INIT_HANGS=1"}})
	}
}

var _ = Init("test.hangs", func() error {
	if os.Getenv("POOL_TEST_INIT_HANGS") != "" {
		time.Sleep(time.Hour)
	}
	return nil
})

// What runs in this process may hang.
func init() {
	programs["hooks here"] = func([]string) {
		Init("program.hangs", func() error { select {} })
		_, err := New(background(), &Options{Workers: 1, Isolation: Goroutine, Timeouts: Timeouts{Start: 50 * time.Millisecond}})
		fmt.Println(err)
		initHooks.init = nil
		Teardown("program.hangs too", func() error { select {} })
		p, _ := New(background(), &Options{Workers: 1, Isolation: Goroutine, Timeouts: Timeouts{Close: 50 * time.Millisecond}})
		fmt.Println(p.Close(background()))
	}
}

func TestHooksInThisProcess(t *testing.T) {
	within(t, func() {
		out, err := program("hooks here").CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), `Init "program.hangs": it has not returned: context deadline exceeded`)
		require.Contains(t, string(out), `Teardown "program.hangs too": it took longer than 50ms`)
	})
}
