package pool

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm"
)

type workIn struct {
	How  string
	N    int
	For  time.Duration
	File string
}

// work does what its supervisor is to notice.
var work = Func("test.work", func(t *Task, in workIn) (int, error) {
	switch in.How {
	case "sleep":
		time.Sleep(in.For)
	case "deaf": // to its context
		select {}
	case "allocate": // until it dies
		var all [][]byte
		for range in.N {
			b := make([]byte, 1<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			all = append(all, b)
		}
		runtime.KeepAlive(all)
	case "keep": // memory from task to task
		b := make([]byte, in.N)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		hoard = append(hoard, b)
	case "flood":
		line := bytes.Repeat([]byte("x"), 1<<16)
		for range in.N {
			os.Stderr.Write(line)
		}
	case "crowd": // dies as of a full memory where more than N run at once
		marks, _ := filepath.Glob(in.File + ".*")
		mark := fmt.Sprintf("%s.%d", in.File, os.Getpid())
		os.WriteFile(mark, nil, 0o600)
		time.Sleep(in.For)
		alive := 1
		for _, m := range marks {
			var pid int
			fmt.Sscanf(strings.TrimPrefix(m, in.File+"."), "%d", &pid)
			if pid != os.Getpid() && unix.Kill(pid, 0) == nil {
				alive++
			}
		}
		if alive > in.N {
			os.Remove(mark)
			unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
		os.Remove(mark)
	case "oversized":
		unix.Sendmsg(workerSocket, make([]byte, maxMessage+1), nil, nil, 0)
		select {}
	}
	return t.Attempt(), nil
})

var hoard [][]byte

func submitWork(t testing.TB, p *Pool, in workIn) Future[int] {
	t.Helper()
	f, err := work.Submit(background(), p, in)
	require.NoError(t, err)
	return f
}

func requireAttempt(t testing.TB, f Future[int], want int) {
	t.Helper()
	got, err := f.Wait(background())
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func allUp(t testing.TB, p *Pool, n int) []WorkerStats {
	t.Helper()
	var up []WorkerStats
	eventually(t, func() bool {
		up = slices.DeleteFunc(p.Stats().Workers, func(w WorkerStats) bool { return w.State == StateDead })
		return len(up) == n
	}, "not all are up")
	return up
}

// A task that runs too long, one that does not hear that it was cancelled and one
// that is stopped each cost their worker and nobody else anything.
func TestWatchdogKills(t *testing.T) {
	p := newPool(t, &Options{Workers: 2, Attempts: 1, TaskTimeout: 400 * time.Millisecond, CancelGrace: 100 * time.Millisecond, StopTimeout: 100 * time.Millisecond, KeepWidth: true})
	allUp(t, p, 2)
	for _, class := range []Class{ClassDeadline, ClassCancel, ClassStopped} {
		began := time.Now()
		f := submitWork(t, p, workIn{How: "deaf"})
		bystander := submitWork(t, p, workIn{How: "sleep", For: 50 * time.Millisecond})
		var pid int
		eventually(t, func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, w := range p.lanes {
				if r := w.lane.running(); r != nil && r.id == f.id {
					pid = w.proc.PID()
				}
			}
			return pid != 0
		}, "it does not run")
		switch class {
		case ClassCancel:
			f.Cancel()
		case ClassStopped:
			stop(t, pid)
		}
		_, err := f.Wait(background())
		require.Less(t, time.Since(began), 400*time.Millisecond+time.Second)
		var death *WorkerExitError
		require.ErrorAs(t, err, &death)
		require.Equal(t, class, death.Class)
		if class == ClassCancel {
			require.ErrorIs(t, err, ErrCancelled)
		}
		require.Contains(t, fmt.Sprint(death.Last), "task test.work")
		requireAttempt(t, bystander, 1)
		require.Equal(t, int64(1), p.Stats().Deaths[class])
	}
}

// A supervisor that was stopped for long blames nobody when it goes on.
func TestStoppedSupervisorBlamesNobody(t *testing.T) {
	for10 := 2 * time.Second
	if os.Getenv("HANDOFF_SOAK") != "" {
		for10 = 10 * time.Second
	}
	cmd := program("stopped supervisor", fmt.Sprint(for10))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.Equal(t, "runs", readLine(t, out))
	stop(t, cmd.Process.Pid)
	time.Sleep(for10)
	require.NoError(t, unix.Kill(cmd.Process.Pid, unix.SIGCONT))
	require.Equal(t, "map[] 1", readLine(t, out))
	require.NoError(t, cmd.Wait())
}

func init() {
	programs["stopped supervisor"] = func(args []string) {
		d, _ := time.ParseDuration(args[0])
		p, err := New(background(), &Options{Workers: 2, TaskTimeout: d * 3 / 4, StopTimeout: d / 2})
		if err != nil {
			fmt.Println(err)
			return
		}
		f, _ := work.Submit(background(), p, workIn{How: "sleep", For: d / 4})
		fmt.Println("runs")
		time.Sleep(d / 8) // the watchdog looks
		v, err := f.Wait(background())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(p.Stats().Deaths, v)
		p.Close(background())
	}
}

// Workers are replaced between two tasks: after so many, and when they have grown.
func TestRecycle(t *testing.T) {
	t.Run("tasks", func(t *testing.T) {
		p := newPool(t, &Options{Workers: 2, RecycleTasks: 10})
		n := 0
		for r, err := range pid.Map(background(), p, make100) {
			require.NoError(t, err)
			require.Positive(t, r.Value)
			n++
		}
		require.Equal(t, 100, n)
		s := p.Stats()
		require.Empty(t, s.Deaths)
		require.Equal(t, int64(100), s.Attempts)
		eventually(t, func() bool { return p.Stats().Retired >= 8 }, "not ten for a hundred")
		for _, w := range s.Workers {
			require.LessOrEqual(t, w.Tasks, int64(10))
		}
	})
	t.Run("memory", func(t *testing.T) {
		p := newPool(t, &Options{Workers: 1, RecycleMemory: 64 << 20, StopTimeout: 80 * time.Millisecond})
		first := allUp(t, p, 1)[0].PID
		eventually(t, func() bool {
			requireAttempt(t, submitWork(t, p, workIn{How: "keep", N: 8 << 20}), 1)
			requireAttempt(t, submitWork(t, p, workIn{How: "sleep", For: 30 * time.Millisecond}), 1)
			return p.Stats().Retired > 0
		}, "it grows and grows")
		require.NotEqual(t, first, allUp(t, p, 1)[0].PID)
		require.Empty(t, p.Stats().Deaths)
	})
}

// More and fewer workers, while tasks run: none is lost or tried again.
func TestResize(t *testing.T) {
	p := newPool(t, &Options{Workers: 2})
	require.Error(t, p.Resize(0))
	require.Error(t, p.Resize(MaxWorkers+1))
	next := 0
	for r, err := range work.Map(background(), p, func(yield func(workIn) bool) {
		for i := range 400 {
			if i%50 == 0 {
				require.NoError(t, p.Resize(1+i/50%4*2))
			}
			if !yield(workIn{How: "sleep", For: time.Millisecond}) {
				return
			}
		}
	}) {
		require.NoError(t, err)
		require.Equal(t, next, r.Index)
		require.Equal(t, 1, r.Value)
		next++
	}
	require.Equal(t, 400, next)
	require.Empty(t, p.Stats().Deaths)
	require.NoError(t, p.Resize(5))
	allUp(t, p, 5)
	require.NoError(t, p.Resize(1))
	allUp(t, p, 1)
	require.NoError(t, p.Close(background()))
	require.ErrorIs(t, p.Resize(2), ErrClosed)
}

// A spare takes over at once, with what is needed mapped, and is replaced.
func TestSpares(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Spares: 1, KeepWidth: true})
	x, err := shm.PutCopy(p.Arena(), []float64{1, 2})
	require.NoError(t, err)
	defer x.Release()
	for range 5 {
		eventually(t, func() bool { return p.Stats().Spares == 1 }, "no spare")
		var spare int
		for _, w := range allUp(t, p, 2) {
			if w.State == StateStandby {
				spare = w.PID
			}
		}
		f, err := die.Submit(background(), p, dieIn{"sigkill", filepath.Join(t.TempDir(), "mark"), x.View()})
		require.NoError(t, err)
		_, err = f.Wait(background())
		require.NoError(t, err)
		got, err := pid.Submit(background(), p, 0)
		require.NoError(t, err)
		v, err := got.Wait(background())
		require.NoError(t, err)
		require.Equal(t, spare, v)
	}
}

// Init has run before the first task and Teardown after the last, in each worker;
// one that dies does not come to it.
func TestInitAndTeardown(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	p := newPool(t, &Options{Workers: 2, Env: []string{"POOL_TEST_HOOKS=" + file}, RecycleTasks: 3})
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

// A worker that goes past its ceiling dies of it alone, by either mechanism.
func TestMemoryLimit(t *testing.T) {
	for _, noGroups := range []bool{false, true} {
		t.Run(fmt.Sprintf("noGroups=%v", noGroups), func(t *testing.T) {
			if raceEnabled {
				t.Skip("the race detector's own memory is past any ceiling")
			}
			p := newPool(t, &Options{Workers: 2, MemoryLimit: 128 << 20, noGroups: noGroups, Attempts: 1, KeepWidth: true})
			mechanism := p.Stats().MemoryMechanism
			if !noGroups && mechanism != "cgroup" {
				t.Skipf("not in CI: no memory cgroup can be made here: %q", mechanism)
			}
			require.Equal(t, map[bool]string{false: "cgroup", true: "rlimit"}[noGroups], mechanism)
			bystander := submitWork(t, p, workIn{How: "sleep", For: 300 * time.Millisecond})
			_, err := submitWork(t, p, workIn{How: "allocate", N: 1024}).Wait(background())
			var death *WorkerExitError
			require.ErrorAs(t, err, &death)
			require.Equal(t, ClassOOM, death.Class, "%v %s", death, death.Stderr)
			require.NotEmpty(t, death.Evidence)
			requireAttempt(t, bystander, 1)
			requireAttempt(t, submitWork(t, p, workIn{How: "allocate", N: 16}), 1) // below it
		})
	}
}

// Where too many at once are killed, as by a machine short of memory, the pool finds
// the number that goes, and all tasks are done.
func TestFewerWorkersWhereMemoryIsShort(t *testing.T) {
	var widths []int
	var mu sync.Mutex
	p := newPool(t, &Options{Workers: 8, OnEvent: func(e Event) {
		if e.Kind == EventWidth {
			mu.Lock()
			widths = append(widths, e.Width)
			mu.Unlock()
		}
	}})
	allUp(t, p, 8)
	mark := filepath.Join(t.TempDir(), "run")
	n := 0
	for _, err := range work.Map(background(), p, func(yield func(workIn) bool) {
		for range 200 {
			if !yield(workIn{How: "crowd", N: 3, For: 2 * time.Millisecond, File: mark}) {
				return
			}
		}
	}) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 200, n)
	s := p.Stats()
	mu.Lock()
	defer mu.Unlock()
	t.Logf("widths %v, ceiling %d, %d deaths for memory of %v", widths, s.Ceiling, s.MemoryDeaths, s.Deaths)
	require.Less(t, s.Width, 8)
	require.Positive(t, s.Ceiling)
	require.Less(t, s.Ceiling, 8)
}

// Ten thousand tasks and a thousand kills, each id once and the results to the bit;
// not more attempts than tasks and kills; and never long without progress.
func TestRandomKills(t *testing.T) {
	kills := 100
	switch {
	case os.Getenv("HANDOFF_SOAK") != "":
		kills = 1000
	case raceEnabled:
		kills = 30
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	p := newPool(t, &Options{Workers: 4, Attempts: maxAttempts, KeepWidth: true})
	x, err := shm.Make[float64](p.Arena(), 1000)
	require.NoError(t, err)
	defer x.Release()
	for i := range x.Data() {
		x.Data()[i] = random.NormFloat64()
	}
	killed, done := atomic.Int64{}, make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		last := map[int]bool{}
		for killed.Load() < int64(kills) {
			select {
			case <-done:
				return
			case <-time.After(time.Duration(random.IntN(6000)) * time.Microsecond):
			}
			p.mu.Lock()
			if w := p.workers[random.IntN(len(p.workers))]; w.link != nil && !last[w.incarnation] {
				last[w.incarnation] = true
				w.proc.(*child).cmd.Process.Kill()
				killed.Add(1)
			}
			p.mu.Unlock()
		}
	})
	progress := time.Now()
	tasks, next := 0, 0
	for r, err := range norm.Map(background(), p, func(yield func(normIn) bool) {
		for ; tasks < 10*kills || killed.Load() < int64(kills); tasks++ {
			if !yield(normIn{x.View(), float64(tasks)}) {
				return
			}
			time.Sleep(20 * time.Microsecond)
		}
	}) {
		require.NoError(t, err)
		require.Equal(t, next, r.Index)
		s := 0.0
		for _, v := range x.Data() {
			s += v * v
		}
		require.Equal(t, math.Float64bits(float64(next)*math.Sqrt(s)), math.Float64bits(r.Value))
		require.Less(t, time.Since(progress), 5*time.Second)
		progress = time.Now()
		next++
	}
	close(done)
	ended.Wait()
	s := p.Stats()
	t.Logf("%d tasks, %d kills, %d attempts", next, killed.Load(), s.Attempts)
	require.Equal(t, tasks, next)
	require.Equal(t, int64(kills), killed.Load())
	require.LessOrEqual(t, s.Attempts, int64(tasks)+killed.Load())
}

// Cancels that race the end of their tasks leave each in one state.
func TestCancelsRaceCompletion(t *testing.T) {
	n := 100_000
	if raceEnabled {
		n = 10_000
	}
	p := newPool(t, &Options{Workers: 2})
	ok, cancelled := int64(0), int64(0)
	for i := 0; i < n; {
		var futures []Future[int64]
		for range 50 {
			f, err := addOne.Submit(background(), p, int64(i))
			require.NoError(t, err)
			futures = append(futures, f)
			i++
		}
		for k := range futures {
			if k%3 > 0 {
				futures[(k*7+i)%50].Cancel()
			}
		}
		for _, f := range futures {
			switch v, err := f.Wait(background()); {
			case err == nil:
				ok++
				require.Positive(t, v)
			default:
				require.ErrorIs(t, err, ErrCancelled)
				cancelled++
			}
			_, err := f.Wait(background())
			require.ErrorIs(t, err, ErrWaited)
		}
	}
	s := p.Stats()
	require.Equal(t, []int64{ok, cancelled, 0, 0}, []int64{s.Done, s.Cancelled, s.Failed, int64(s.Unresolved)})
	require.Positive(t, ok)
	require.Positive(t, cancelled)
	t.Logf("%d done, %d cancelled", ok, cancelled)
	require.Empty(t, s.Deaths)
}

// Close during a crash, twice at a time and from the hook of events.
func TestCloseAnywhere(t *testing.T) {
	for i := range 10 {
		var p *Pool
		closed := make(chan error, 3)
		var once sync.Once
		ready := make(chan struct{})
		p = newPool(t, &Options{Workers: 3, CloseTimeout: 100 * time.Millisecond, OnEvent: func(e Event) {
			if e.Kind == EventDeath {
				once.Do(func() { <-ready; closed <- p.Close(background()) })
			}
		}})
		close(ready)
		up := allUp(t, p, 3)
		for range 6 {
			submitWork(t, p, workIn{How: "deaf"})
		}
		unix.Kill(up[i%3].PID, unix.SIGKILL)
		began := time.Now()
		if i%2 == 0 {
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
			go func() { closed <- p.Close(background()) }() // perhaps before the death is known
		}
		require.NoError(t, <-closed)
		require.NoError(t, p.Close(background()))
		require.Less(t, time.Since(began), 5*time.Second)
	}
}

// A worker that floods its standard error, or sends what is too large, costs no
// memory here and nobody else anything.
func TestNoisyWorkers(t *testing.T) {
	size := 50 << 20
	if os.Getenv("HANDOFF_SOAK") != "" {
		size = 200 << 20
	}
	p := newPool(t, &Options{Workers: 2, Attempts: 1})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	bystander := submitWork(t, p, workIn{How: "sleep", For: 100 * time.Millisecond})
	requireAttempt(t, submitWork(t, p, workIn{How: "flood", N: size >> 16}), 1)
	_, err := submitWork(t, p, workIn{How: "oversized"}).Wait(background())
	var death *WorkerExitError
	require.ErrorAs(t, err, &death)
	require.Equal(t, ClassProtocol, death.Class)
	require.ErrorContains(t, err, "longer than the protocol allows")
	requireAttempt(t, bystander, 1)
	runtime.ReadMemStats(&after)
	require.Less(t, after.HeapAlloc, before.HeapAlloc+16<<20)
}

// The thread that first asked for workers ends: none dies of it.
func TestThreadThatStartsWorkersEnds(t *testing.T) {
	var p *Pool
	made := make(chan struct{})
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		p = newPool(t, &Options{Workers: 2})
		close(made)
	}()
	<-made
	up := allUp(t, p, 2)
	time.Sleep(200 * time.Millisecond)
	for i, w := range allUp(t, p, 2) {
		require.Equal(t, up[i].PID, w.PID)
	}
	require.Empty(t, p.Stats().Deaths)
}

// A range goes on over workers that are replaced after some blocks.
func TestRecycleInRange(t *testing.T) {
	p := newPool(t, &Options{Workers: 2, RecycleTasks: 5})
	for range 5 {
		got, err := count.Reduce(background(), p, 0, 100_000, nil)
		require.NoError(t, err)
		require.Equal(t, sumTo(100_000), got.Sum)
		for _, err := range pid.Map(background(), p, make100) {
			require.NoError(t, err)
		}
	}
	require.Positive(t, p.Stats().Retired)
	require.Empty(t, p.Stats().Deaths)
}

// Memory cgroups that a killed supervisor has left are removed by the next pool of
// the same group, and those of a living one stay.
func TestLeftGroupsAreRemoved(t *testing.T) {
	g := memoryGroupHere()
	left, err := g.child("handoff-00112233445566778899aabb-0-1", 64<<20)
	if err != nil {
		t.Skipf("not in CI: no memory cgroup can be made here: %v", err)
	}
	defer left.remove()
	alive := newPool(t, &Options{Workers: 1, MemoryLimit: 128 << 20})
	groups, err := filepath.Glob(g.dir + "/handoff-" + alive.Run().ID() + "-*")
	require.NoError(t, err)
	require.Len(t, groups, 1)
	require.NoDirExists(t, left.dir)
	newPool(t, &Options{Workers: 1})
	require.DirExists(t, groups[0])
	require.NoError(t, alive.Close(background()))
	require.NoDirExists(t, groups[0])
}

// Blocks of a range that take too long are tried again in halves; an index that does
// alone ends the range.
func TestDeadlineInRange(t *testing.T) {
	p := newPool(t, &Options{Workers: 2, TaskTimeout: 200 * time.Millisecond, CloseTimeout: 100 * time.Millisecond})
	require.NoError(t, slowRange.ForRange(background(), p, 10*time.Millisecond, 200, nil)) // blocks of up to 34
	s := p.Stats()
	require.Positive(t, s.Deaths[ClassDeadline])
	t.Logf("%v, %d attempts", s.Deaths, s.Attempts)
	err := slowRange.ForRange(background(), p, time.Hour, 4, nil)
	var death *WorkerExitError
	require.ErrorAs(t, err, &death)
	require.Equal(t, ClassDeadline, death.Class)
	require.Equal(t, 1, death.Hi-death.Lo)
}

var slowRange = RangeFunc("test.slowRange", func(_ *Task, each time.Duration, lo, hi int) error {
	time.Sleep(time.Duration(hi-lo) * each)
	return nil
})

// While one worker works, others whose Init fails do not end the pool; it has them
// back when Init is mended.
func TestInitFailsForSome(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cache")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	var failed atomic.Int32
	p := newPool(t, &Options{Workers: 2, Env: []string{"POOL_TEST_INIT_NEEDS=" + file}, OnEvent: func(e Event) {
		if e.Kind == EventDeath && e.Death.Class == ClassStart {
			failed.Add(1)
		}
	}})
	up := allUp(t, p, 2)
	require.NoError(t, os.Remove(file))
	unix.Kill(up[0].PID, unix.SIGKILL)
	eventually(t, func() bool { return failed.Load() > maxFailedStarts }, "Init does not fail")
	requireAttempt(t, submitWork(t, p, workIn{How: "sleep", For: time.Millisecond}), 1)
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	allUp(t, p, 2)
}

// Workers that have just died are no longer there when others are retired.
func TestResizeAfterDeaths(t *testing.T) {
	for range 10 {
		p := newPool(t, &Options{Workers: 6, KeepWidth: true, Attempts: 10})
		up := allUp(t, p, 6)
		var futures []Future[float64]
		for range 36 {
			seg, err := p.Run().Create(4096)
			require.NoError(t, err)
			x := bindWhole[float64](t, seg, 8)
			f, err := norm.Submit(background(), p, normIn{x.View(), 1})
			require.NoError(t, err)
			futures = append(futures, f)
			x.Release()
			require.NoError(t, seg.Close())
		}
		for _, w := range up {
			unix.Kill(w.PID, unix.SIGKILL)
		}
		require.NoError(t, p.Resize(1))
		for _, f := range futures {
			_, err := f.Wait(background())
			require.NoError(t, err)
		}
		require.NoError(t, p.Close(background()))
	}
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
		New(background(), &Options{Workers: 2, StartTimeout: time.Hour, Env: []string{"POOL_TEST_INIT_HANGS=1"}})
	}
}

var _ = Init("test.hangs", func() error {
	if os.Getenv("POOL_TEST_INIT_HANGS") != "" {
		time.Sleep(time.Hour)
	}
	return nil
})

// A range whose caller has gone may still bring results.
func TestContextEndsDuringBisection(t *testing.T) {
	p := newPool(t, &Options{Workers: 2, KeepWidth: true})
	out, err := shm.Make[int32](p.Outputs(), 10_000)
	require.NoError(t, err)
	defer out.Release()
	for i := range 10 {
		ctx, cancel := context.WithTimeout(background(), time.Duration(i)*2*time.Millisecond)
		_, err := treadSum.Reduce(ctx, p, poisonIn{[3]int{10, 5000, 9000}, out}, 10_000, &RangeOptions{Quarantine: 5})
		require.Error(t, err)
		cancel()
	}
}
