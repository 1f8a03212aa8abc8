//go:build handoff_fault

package pool

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/rangejob"
	workerside "example.com/handoff/pool/internal/worker"
	"example.com/handoff/shm"
)

type countIn struct {
	Runs shm.Array[uint32] // of each task
	N    int
}

type countOut struct{ Value, Attempt int }

// countRun counts its runs where they survive its worker.
var countRun = Func("test.countRun", func(t *Task, in countIn) (countOut, error) {
	workerside.Step("function")
	atomic.AddUint32(&in.Runs.Data()[in.N], 1)
	workerside.Step("counted")
	return countOut{countValue(in.N), t.Attempt()}, nil
})

func countValue(n int) int { return n*n + 7 }

// A range of numbers, both ends included.
type between struct{ least, most int }

// The steps of a worker, and what a death there costs: how many tasks are tried
// again, and how many run twice.
var workerSteps = []struct {
	name         string
	once         bool // in a life
	again, twice between
	class        ExitClass
}{
	{"started", true, between{0, 0}, between{0, 0}, ExitStart},
	{"said-hello", true, between{0, 0}, between{0, 0}, ExitSignal},
	{"announced", true, between{0, 1}, between{0, 0}, ExitSignal}, // a task may wait for it
	{"idle", false, between{0, 0}, between{0, 0}, ExitSignal},
	{"task-begun", false, between{1, 1}, between{0, 0}, ExitSignal},
	{"task-run", false, between{1, 1}, between{0, 0}, ExitSignal},
	{"task-bound", false, between{1, 1}, between{0, 0}, ExitSignal},
	{"function", false, between{1, 1}, between{0, 0}, ExitSignal},
	{"counted", false, between{1, 1}, between{1, 1}, ExitSignal},
	{"task-ran", false, between{1, 1}, between{1, 1}, ExitSignal},
	{"result-put", false, between{0, 1}, between{0, 1}, ExitSignal}, // the answer to a task that was taken back costs nothing
	{"result-published", false, between{0, 0}, between{0, 0}, ExitSignal},
	{"result-rung", false, between{0, 0}, between{0, 0}, ExitSignal},
}

// How a worker comes to its end at a step, or does not.
var faultModes = []struct {
	name string
	stop bool
	then unix.Signal // from outside
}{
	{"killed", false, 0},
	{"stopped and killed", true, unix.SIGKILL},
	{"stopped for a while", true, unix.SIGCONT},
}

// Wherever one worker ends, every task resolves once and with the right value,
// one at most has lost an attempt, and none that only waited; where it is stopped
// for a while, nothing is lost.
func TestStepDeaths(t *testing.T) {
	for _, at := range workerSteps {
		for _, nth := range []int{1, 3} {
			if at.once && nth > 1 {
				continue
			}
			for i, mode := range faultModes {
				if raceEnabled && (nth+i)%2 == 0 { // each step and each mode, half of the pairs
					continue
				}
				for _, byMap := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s/%d/%s/map=%v", at.name, nth, mode.name, byMap), func(t *testing.T) {
						fault := newFault(t, at.name, nth, mode.stop)
						p := newPool(t, &Options{Workers: 2, Env: fault.env})
						const tasks = 300
						runs := countRuns(t, p, tasks)
						ended := fault.end(mode.then)
						attempts := make([]int, tasks)
						if byMap {
							countByMap(t, p, runs, attempts)
						} else {
							countBySubmit(t, p, runs, attempts)
						}
						require.NoError(t, <-ended, "the fault did not come")

						again, twice := 0, 0
						for i, n := range attempts {
							require.Contains(t, []int{1, 2}, n, "attempts of task %d", i)
							again += n - 1
							require.Contains(t, []uint32{1, 2}, runs.At(i), "runs of task %d", i)
							twice += int(runs.At(i)) - 1
						}
						if mode.then == unix.SIGCONT {
							require.Zero(t, again)
							require.Zero(t, twice)
							require.Empty(t, p.Stats().Deaths)
							return
						}
						require.True(t, at.again.least <= again && again <= at.again.most, "%d tried again, expected %v", again, at.again)
						require.True(t, at.twice.least <= twice && twice <= at.twice.most, "%d run twice, expected %v", twice, at.twice)
						eventually(t, func() bool { return len(p.Stats().Deaths) > 0 }, "the death was not noticed")
						s := settled(t, p)
						require.Equal(t, map[ExitClass]int64{at.class: 1}, s.Deaths)
						require.Equal(t, int64(tasks+again), s.Attempts)
					})
				}
			}
		}
	}
}

// The same while the pool is closed: each task has its value or ErrClosed.
func TestStepDeathsWhileClosing(t *testing.T) {
	steps := []string{"drain-heard", "drained", "task-begun", "counted", "task-ran", "result-put", "result-published", "result-rung"}
	for _, at := range steps {
		for _, mode := range faultModes {
			t.Run(at+"/"+mode.name, func(t *testing.T) {
				fault := newFault(t, at, 1, mode.stop)
				p := newPool(t, &Options{Workers: 2, Env: fault.env})
				const tasks = 300
				runs := countRuns(t, p, tasks)
				ended := fault.end(mode.then)
				var futures []Future[countOut]
				for i := range tasks {
					f, err := countRun.Submit(background(), p, countIn{runs, i})
					require.NoError(t, err)
					futures = append(futures, f)
				}
				if !strings.HasPrefix(at, "drain") { // else it is Close that leads there
					_, err := fault.pid()
					require.NoError(t, err)
				}
				closed := make(chan error)
				go func() { closed <- p.Close(background()) }()
				for i, f := range futures {
					v, err := f.Wait(background())
					if err == nil {
						require.Equal(t, countOut{countValue(i), v.Attempt}, v)
						require.NotZero(t, runs.At(i))
					} else {
						require.ErrorIs(t, err, ErrClosed)
					}
					_, err = f.Wait(background())
					require.ErrorIs(t, err, ErrWaited)
				}
				require.NoError(t, <-closed)
				require.NoError(t, <-ended, "the fault did not come")
				twice := 0
				for i := range tasks {
					require.LessOrEqual(t, runs.At(i), uint32(2))
					if runs.At(i) == 2 {
						twice++
					}
				}
				require.LessOrEqual(t, twice, 1) // its death was noticed before the pool was closed
			})
		}
	}
}

// countRuns is an array with a word for each task.
func countRuns(t *testing.T, p *Pool, tasks int) shm.Array[uint32] {
	runs, err := shm.Make[uint32](p.Outputs(), tasks)
	require.NoError(t, err)
	t.Cleanup(runs.Release) // before the pool's own checks
	return runs
}

func countBySubmit(t *testing.T, p *Pool, runs shm.Array[uint32], attempts []int) {
	var futures []Future[countOut]
	for i := range attempts {
		f, err := countRun.Submit(background(), p, countIn{runs, i})
		require.NoError(t, err)
		futures = append(futures, f)
	}
	for i, f := range futures {
		v, err := f.Wait(background())
		require.NoError(t, err)
		require.Equal(t, countValue(i), v.Value)
		attempts[i] = v.Attempt
		_, err = f.Wait(background())
		require.ErrorIs(t, err, ErrWaited)
	}
}

func countByMap(t *testing.T, p *Pool, runs shm.Array[uint32], attempts []int) {
	next := 0
	for r, err := range countRun.Map(background(), p, func(yield func(countIn) bool) {
		for i := range attempts {
			if !yield(countIn{runs, i}) {
				return
			}
		}
	}) {
		require.NoError(t, err)
		require.Equal(t, next, r.Index)
		require.Equal(t, countValue(next), r.Value.Value)
		attempts[next] = r.Value.Attempt
		next++
	}
	require.Equal(t, len(attempts), next)
}

// A stepFault befalls one process of a pool, the first to come to its step.
type stepFault struct {
	mark string
	env  []string
	stop bool
}

func newFault(t *testing.T, step string, nth int, stop bool) stepFault {
	plan := fmt.Sprintf("%s:%d", step, nth)
	if stop {
		plan += ":stop"
	}
	mark := filepath.Join(t.TempDir(), "mark")
	return stepFault{mark, []string{workerside.FaultEnv + "=" + plan, workerside.FaultMarkEnv + "=" + mark}, stop}
}

// end waits until the fault has come and, where the process is stopped, sends it
// the signal a while later.
func (f stepFault) end(then unix.Signal) <-chan error {
	ended := make(chan error, 1)
	go func() {
		pid, err := f.pid()
		if err == nil && f.stop {
			time.Sleep(20 * time.Millisecond)
			err = unix.Kill(pid, then)
		}
		ended <- err
	}()
	return ended
}

func (f stepFault) pid() (int, error) {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		b, _ := os.ReadFile(f.mark)
		line, whole := strings.CutSuffix(string(b), "\n")
		if !whole {
			continue
		}
		pid, err := strconv.Atoi(line)
		if err != nil || !f.stop || isStopped(pid) {
			return pid, err
		}
	}
	return 0, fmt.Errorf("nothing came to %v within 20 s", f.env)
}

func isStopped(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return strings.Contains(string(b), ") T ")
}

// The steps of a worker in a range, and what a death there costs: how many blocks
// lose an attempt, and how many indices at most run twice.
var rangeSteps = []struct {
	name        string
	lost, twice between // blocks
}{
	{"share-begun", between{0, 0}, between{0, 0}},
	{"block-choosing", between{0, 0}, between{0, 0}},
	{"block-taken", between{0, 0}, between{0, 0}}, // nobody knows whose it was
	{"block-claimed", between{1, 1}, between{0, 0}},
	{"block-ran", between{1, 1}, between{1, 1}},
	{"result-put", between{0, 1}, between{0, 1}}, // of a block, or of the whole share
	{"result-published", between{0, 0}, between{0, 0}},
	{"block-done", between{0, 0}, between{0, 0}},
}

var countBlocks = ReduceFunc("test.countBlocks", func(t *Task, in countIn, lo, hi int) (c counted, err error) {
	for i := lo; i < hi; i++ {
		atomic.AddUint32(&in.Runs.Data()[i], 1)
		c.N++
		c.Sum += int64(i)
	}
	return c, nil
}, func(a, b counted) counted { return counted{N: a.N + b.N, Sum: a.Sum + b.Sum} })

// Wherever one worker ends, no index of a range is lost and none is counted
// twice, and no block runs again but the one that its worker had claimed: a living
// worker's is never given out.
func TestStepDeathsInRange(t *testing.T) {
	for _, at := range rangeSteps {
		for _, nth := range []int{1, 2, 3} {
			for _, mode := range faultModes {
				if at.name == "share-begun" && nth > 1 {
					continue // once in a range
				}
				t.Run(fmt.Sprintf("%s/%d/%s", at.name, nth, mode.name), func(t *testing.T) {
					fault := newFault(t, at.name, nth, mode.stop)
					p := newPool(t, &Options{Workers: 3, Env: fault.env})
					eventually(t, func() bool { return len(p.Stats().Workers) == 3 }, "not all are up")
					const n = 20_000
					runs := countRuns(t, p, n)
					ended := fault.end(mode.then)
					blocks := rangejob.Cut(n, 0, 3)
					for round := 1; ; round++ {
						clear(runs.Data())
						before := p.Stats()
						got, err := countBlocks.Reduce(background(), p, countIn{Runs: runs}, n, nil)
						require.NoError(t, err)
						require.Equal(t, counted{N: n, Sum: sumTo(n)}, got)
						twice := 0
						for b := range blocks.Count {
							lo, hi := blocks.At(b)
							for i := lo + 1; i < hi; i++ {
								require.Equal(t, runs.At(lo), runs.At(i))
							}
							require.Contains(t, []uint32{1, 2}, runs.At(lo))
							twice += int(runs.At(lo)) - 1
						}
						lost := int(p.Stats().Attempts-before.Attempts) - blocks.Count
						came := false
						select {
						case err := <-ended:
							require.NoError(t, err, "the fault did not come")
							came = true
						default:
						}
						if mode.then == unix.SIGCONT || !came && lost == 0 && twice == 0 {
							require.Zero(t, twice+lost)
						} else {
							require.True(t, at.lost.least <= lost && lost <= at.lost.most, "%d blocks have lost an attempt, expected %v", lost, at.lost)
							require.True(t, at.twice.least <= twice && twice <= at.twice.most, "%d blocks ran twice, expected %v", twice, at.twice)
							came = true
						}
						if came {
							break
						}
						require.Less(t, round, 10_000)
					}
					require.Zero(t, p.Stats().dropped)
				})
			}
		}
	}
}

// Each step is one that workers have: a misspelled one would test nothing.
func TestStepNames(t *testing.T) {
	source, here := stepSource(t, "internal/worker/*.go"), stepSource(t, "step_linux_test.go")
	for _, at := range rangeSteps {
		require.Equal(t, 1, strings.Count(source, fmt.Sprintf("\tstep(%q)\n", at.name)), at.name)
	}
	for _, at := range workerSteps {
		require.Equal(t, 1, strings.Count(source+here, fmt.Sprintf("\tstep(%q)\n", at.name)), at.name)
	}
}

// Without a mark every process ends there, and a plan that is none says so.
func TestStepPlan(t *testing.T) {
	p, err := New(background(), &Options{Workers: 1, Env: []string{workerside.FaultEnv + "=task-run:2"}})
	require.NoError(t, err)
	var futures []Future[int64]
	for i := range 4 {
		f, err := addOne.Submit(background(), p, int64(i))
		require.NoError(t, err)
		futures = append(futures, f)
	}
	for i, f := range futures {
		v, err := f.Wait(background())
		require.NoError(t, err)
		require.Equal(t, int64(i+1), v)
	}
	require.NoError(t, p.Close(background()))
	require.Equal(t, map[ExitClass]int64{ExitSignal: 3}, settled(t, p).Deaths)

	for _, plan := range []string{"task-run", "task-run:0", ":1", "task-run:1:end"} {
		_, err = New(background(), &Options{Workers: 1, Env: []string{workerside.FaultEnv + "=" + plan}})
		require.ErrorContains(t, err, "expected STEP:N or STEP:N:stop")
	}
}

// stepSource is the text of files, with the calls of tests as those of workers.
func stepSource(t *testing.T, pattern string) (source string) {
	names, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		source += strings.ReplaceAll(string(b), "workerside.Step(", "step(")
	}
	return source
}
