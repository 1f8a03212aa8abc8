//go:build handoff_fault

package pool

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	workerside "example.com/handoff/pool/internal/worker"
	"example.com/handoff/shm"
)

// The crash table: at each point of a worker's life, from its start to a result that
// was taken, each harm that can befall it there, and what becomes of it. Three
// workers: two run a bystander each, the third comes to the point.

// A tablePoint is a step of a worker's life, and what its death there costs.
type tablePoint struct {
	name string
	step string // the call of step
	nth  int
	lost between // attempts, of the task that was begun
}

var tablePoints = []tablePoint{
	{"before hello", "started", 1, between{0, 0}},
	{"idle", "idle", 1, between{0, 0}},
	{"record read", "task-begun", 1, between{1, 1}},
	{"attached", "announced", 1, between{0, 1}}, // the task that needs the segment waits in the lane, or for it
	{"computing", "function", 1, between{1, 1}},
	{"collecting", "gc", 1, between{1, 1}},                   // the same, during a garbage collection
	{"result half written", "record-torn", 3, between{1, 1}}, // see ring.Producer.Put: of six slots three
	{"result written", "result-put", 1, between{1, 1}},
	{"result announced", "result-published", 1, between{0, 0}}, // and not seen: there was no ring
	{"draining", "drain-heard", 1, between{1, 1}},              // while a task runs
	{"drained", "drained", 1, between{0, 0}},
}

// A tableHarm is one of harms, and what becomes of a worker to which it comes.
var tableHarms = []struct {
	name string
	fate outcome
}{
	{"kill", outcome{class: ExitSignal, says: "signal: killed"}},
	{"segv", outcome{class: ExitFatal, says: "SIGSEGV"}}, // Go reports it and exits with 2
	{"wild", outcome{class: ExitFatal, says: "runtime error: invalid memory|fatal error: fault"}},
	{"wild-goroutine", outcome{class: ExitFatal, says: "nil pointer dereference"}},
	{"exit0", outcome{class: ExitStatus, says: "exit status 0"}},
	{"exit1", outcome{class: ExitStatus, says: "exit status 1"}},
	{"panic", outcome{class: ExitFatal, says: "panic: of a step"}},
	{"panic-goroutine", outcome{class: ExitFatal, says: "panic: of a step"}},
	{"goexit", outcome{}}, // it depends: see tableExceptions
	{"overflow", outcome{class: ExitFatal, says: "stack overflow"}},
	{"stop", outcome{class: ExitStopped, says: "it was stopped"}},
	{"block", outcome{class: ExitDeadline, says: "ran longer than its time limit"}},
	{"garbage", outcome{class: ExitProtocol, says: "it sent a message of kind 110"}},
}

// An outcome is what becomes of a worker, and of the task that it has begun.
type outcome struct {
	class    ExitClass // of its death, the only one; "" if it does not die
	says     string    // its error, a regular expression
	lost     between   // attempts
	own      string    // the task's own error, by its kind
	retired  bool      // it ends as it was asked to
	survives bool      // it lives on, and works
}

// tableExceptions are the cells in which it is not the harm alone that says what
// becomes of the worker, by point and harm. For deaths before hello see fateOf.
var tableExceptions = map[string]outcome{
	// A task's own panic and Goexit are its own errors.
	"computing/panic":   {own: "panic", survives: true},
	"computing/goexit":  {own: "goexit", survives: true},
	"collecting/panic":  {own: "panic", survives: true},
	"collecting/goexit": {own: "goexit", survives: true},

	// Elsewhere Goexit ends the goroutine that runs tasks, and another one goes on with
	// the next record. What the first had begun has no answer, and the next answer is
	// one out of turn …
	"record read/goexit":         {class: ExitProtocol, says: "a task that it was not given", lost: between{1, 1}},
	"result half written/goexit": {class: ExitProtocol, says: "a task that it was not given", lost: between{1, 1}},
	// … unless it was put already: the next answer makes both seen.
	"result written/goexit":   {survives: true},
	"result announced/goexit": {survives: true},
	"idle/goexit":             {survives: true},
	"drained/goexit":          {retired: true},
	// Or it ends the goroutine that reads messages: the task waits for its segment.
	"attached/goexit": {class: ExitDeadline, says: "ran longer than its time limit", lost: between{1, 1}},

	// A worker that was asked to end and does not is given as long as Close gives a task.
	"draining/goexit": {class: ExitDeadline, says: "did not end within"},
	"draining/block":  {class: ExitDeadline, says: "did not end within"},
	"drained/block":   {class: ExitDeadline, says: "did not end within"},
	"drained/stop":    {class: ExitDeadline, says: "did not end within"},

	// What it leaves lying goes to others after stuckAfter.
	"idle/block":             {class: ExitStopped, says: "has not begun its next task"},
	"result announced/block": {class: ExitStopped, says: "has not begun its next task"},

	"drained/exit0": {retired: true}, // that is how a retired worker ends
}

// fateOf is what is to become of a worker to which harm number h comes at a point.
func fateOf(at tablePoint, h int) outcome {
	harm := tableHarms[h]
	if f, ok := tableExceptions[at.name+"/"+harm.name]; ok {
		return f
	}
	f := harm.fate
	f.lost = at.lost
	if at.step == "started" { // whatever it is
		f.class = ExitStart
		switch harm.name {
		case "stop", "block", "goexit":
			f.says = "it said nothing within"
		case "garbage":
			f.says = "hello"
		}
	}
	return f
}

type tableIn struct {
	Words shm.Array[uint32] // go on, and of each task the number of its runs
	X     shm.View[float64] // of the task that comes to the point
	N     int
	Do    string // "": return; "hold": return when told to; "gc"
}

type tableOut struct {
	Value, Attempt, PID int
	Text                string
}

// tableRun runs all tasks of the table.
var tableRun = Func("test.tableRun", func(t *Task, in tableIn) (out tableOut, err error) {
	words := in.Words.Data()
	atomic.AddUint32(&words[1+in.N], 1)
	out = tableOut{Value: countValue(in.N), Attempt: t.Attempt(), PID: os.Getpid()}
	if in.X.Len() > 0 {
		out.Value += int(in.X.At(1))
		out.Text = strings.Repeat("r", 300)
	}
	switch in.Do {
	case "hold":
		for atomic.LoadUint32(&words[0]) == 0 {
			time.Sleep(time.Millisecond)
		}
	case "gc":
		defer collect()()
		workerside.Step("gc")
	}
	workerside.Step("function")
	return out, nil
})

// collect returns when the garbage is being collected, again and again, in another
// goroutine, until what it returns is called.
func collect() (end func()) {
	var over atomic.Bool
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		heap := make([]*int, 1<<17)
		for i := range heap {
			heap[i] = new(int)
		}
		for !over.Load() {
			runtime.GC()
		}
		runtime.KeepAlive(heap)
	}()
	for {
		var s debug.GCStats
		if debug.ReadGCStats(&s); s.NumGC > 2 {
			break
		}
		runtime.Gosched()
	}
	return func() { over.Store(true); <-ended }
}

// TestStepCrashTable runs the whole table with HANDOFF_SOAK, else a part that has
// each point and each harm.
func TestStepCrashTable(t *testing.T) {
	soak := os.Getenv("HANDOFF_SOAK") != ""
	ran, points, kinds := 0, map[string]bool{}, map[string]bool{}
	begun := time.Now()
	for i, at := range tablePoints {
		for h, harm := range tableHarms {
			if !soak && (i+h)%6 != 0 {
				continue
			}
			ran++
			points[at.name], kinds[harm.name] = true, true
			t.Run(at.name+"/"+harm.name, func(t *testing.T) { tableCell(t, at, harm.name, fateOf(at, h)) })
		}
	}
	require.Len(t, points, len(tablePoints))
	require.Len(t, kinds, len(workerside.Harms), "harms that are not in the table")
	t.Logf("%d of %d cells in %v", ran, len(tablePoints)*len(tableHarms), time.Since(begun).Round(time.Second/10))
}

// Each exception is of a cell, each cell has one end, and each step is one that
// workers have.
func TestStepCrashTableNames(t *testing.T) {
	cells := map[string]bool{}
	source := stepSource(t, "internal/worker/*.go") + stepSource(t, "../shm/ring/ring.go") + stepSource(t, "crashtable_linux_test.go")
	for _, at := range tablePoints {
		require.Equal(t, 1, strings.Count(source, fmt.Sprintf("\tstep(%q)\n", at.step)), at.step)
		for h, harm := range tableHarms {
			require.Contains(t, workerside.Harms, harm.name)
			cell := at.name + "/" + harm.name
			cells[cell] = true
			ends := 0
			for _, is := range []bool{fateOf(at, h).class != "", fateOf(at, h).retired, fateOf(at, h).survives} {
				if is {
					ends++
				}
			}
			require.Equal(t, 1, ends, cell)
		}
	}
	for cell := range tableExceptions {
		require.True(t, cells[cell], cell)
	}
}

// Bounds of a cell. What runs into none of them takes some milliseconds.
const (
	tableStop    = 300 * time.Millisecond
	tableTask    = time.Second
	tableStart   = time.Second
	tableClose   = 300 * time.Millisecond
	tableHold    = 300 * time.Millisecond // for which a bystander goes on after the fault, if nobody dies
	tableWorkers = 3
)

func tableCell(t *testing.T, at tablePoint, harm string, want outcome) {
	dir := t.TempDir()
	fault := stepFault{mark: filepath.Join(dir, "mark")}
	after := filepath.Join(dir, "after")
	arm := func() { require.NoError(t, os.WriteFile(after, nil, 0o600)) }
	var told tableEvents
	opts := &Options{
		Workers: tableWorkers, Replacement: Replacement{KeepWidth: true}, Timeouts: Timeouts{Stop: tableStop, Close: tableClose}, TaskTimeout: tableTask, OnEvent: told.add,
		Env: []string{
			fmt.Sprintf("%s=%s:%d:%s", workerside.FaultEnv, at.step, at.nth, harm), workerside.FaultMarkEnv + "=" + fault.mark, workerside.FaultAfterEnv + "=" + after,
		},
	}
	starting, drains := at.step == "started", strings.HasPrefix(at.step, "drain")
	if starting {
		arm()
		opts.Timeouts.Start = tableStart
	}
	p := newPool(t, opts)
	words := countRuns(t, p, 64)
	x, err := shm.PutCopy(p.Arena(), []float64{1, 2000})
	require.NoError(t, err)
	t.Cleanup(x.Release)
	ctx, cancel := context.WithTimeout(background(), time.Minute)
	defer cancel()

	var tasks []tableFuture
	submit := func(do string, x shm.View[float64]) {
		in := tableIn{Words: words, X: x, N: len(tasks), Do: do}
		f, err := tableRun.Submit(ctx, p, in)
		require.NoError(t, err)
		tasks = append(tasks, tableFuture{in, f})
	}
	isBegun := func(n int) func() bool {
		return func() bool { return atomic.LoadUint32(&words.Data()[1+n]) > 0 }
	}

	// Two workers have a bystander, and keep it while the third comes to harm.
	pid, others := 0, tableWorkers
	if starting {
		pid, err = fault.pid()
		require.NoError(t, err)
		others--
	}
	eventually(t, func() bool { return len(alive(p, pid)) >= others }, "not all are up")
	const bystanders = 2
	for range bystanders {
		submit("hold", shm.View[float64]{})
	}
	for n := range bystanders {
		eventually(t, isBegun(n), "a bystander has not begun")
	}

	switch at.step {
	case "started":
		submit("", x.View())
	case "drain-heard":
		submit("hold", x.View())
		eventually(t, isBegun(bystanders), "the task has not begun")
		arm()
		require.NoError(t, p.Resize(tableWorkers-1))
	case "drained":
		submit("", x.View())
		eventually(t, func() bool { return p.Stats().Unresolved == bystanders }, "the task is not done")
		arm()
		require.NoError(t, p.Resize(tableWorkers-1))
	case "gc":
		arm()
		submit("gc", x.View())
	default:
		arm()
		submit("", x.View())
	}
	pid, err = fault.pid()
	require.NoError(t, err)
	came := time.Now()
	for range 2 * tableWorkers { // some wait behind the fault
		submit("", shm.View[float64]{})
	}
	for !told.died() && time.Since(came) < tableHold && !(want.survives && time.Since(came) > tableHold/6) {
		time.Sleep(time.Millisecond)
	}
	atomic.StoreUint32(&words.Data()[0], 1)

	// All resolve, and one at most was tried again.
	lost := 0
	var near []int // the bystanders' workers
	resolve := func(task tableFuture) {
		n := task.in.N
		what := fmt.Sprintf("task %d", n)
		v, err := task.Wait(ctx)
		if own := (*TaskError)(nil); n == bystanders && want.own != "" {
			require.ErrorAs(t, err, &own, what)
			require.Equal(t, want.own, own.Kind)
			return
		}
		require.NoError(t, err, what)
		wantOut := tableOut{Value: countValue(n), Attempt: 1, PID: v.PID}
		if n == bystanders {
			lost = v.Attempt - 1
			wantOut.Value, wantOut.Attempt, wantOut.Text = wantOut.Value+2000, v.Attempt, strings.Repeat("r", 300)
		}
		require.Equal(t, wantOut, v, what)
		if n < bystanders {
			require.Equal(t, uint32(1), words.At(1+n), "runs of %s", what)
			require.NotEqual(t, pid, v.PID)
			near = append(near, v.PID)
		}
	}
	for _, task := range tasks {
		resolve(task)
	}
	require.True(t, want.lost.least <= lost && lost <= want.lost.most, "%d attempts lost, expected %v", lost, want.lost)

	// One has died, of what it died of, and no other.
	if want.class != "" {
		eventually(t, told.died, "it did not die")
		death := told.deaths()[0]
		require.Equal(t, want.class, death.Class, "%v", death)
		require.Equal(t, pid, death.PID)
		require.Regexp(t, want.says, death.Error())
		if lost > 0 {
			require.Equal(t, "test.tableRun", death.Func)
			require.Equal(t, 1, death.Attempt)
		} else {
			require.Empty(t, death.Func)
		}
	}
	if want.retired {
		eventually(t, func() bool { return p.Stats().Retired == 1 }, "it was not retired")
	}
	if drains {
		require.NoError(t, p.Resize(tableWorkers))
	}
	dead := pid
	if want.survives {
		dead = 0
	}
	eventually(t, func() bool { return len(alive(p, dead)) == tableWorkers }, "there are not as many workers as before")
	for range 2 * tableWorkers {
		submit("", shm.View[float64]{})
	}
	for _, task := range tasks[len(tasks)-2*tableWorkers:] {
		resolve(task)
	}
	pids := alive(p, 0)
	for _, other := range near {
		require.Contains(t, pids, other, "a bystander's worker")
	}
	if want.survives {
		require.Contains(t, pids, pid)
	}
	s := settled(t, p)
	deaths := map[ExitClass]int64{}
	if want.class != "" {
		deaths[want.class] = 1
	}
	require.Equal(t, deaths, s.Deaths)
	require.Len(t, told.deaths(), len(deaths))
	require.Equal(t, int64(lost), s.Retries)
	require.Equal(t, int64(len(tasks)+lost), s.Attempts)
	require.Zero(t, s.Unresolved)
	require.Equal(t, want.retired, s.Retired > 0)

	// Close leaves nothing: newPool looks for the rest.
	begun := time.Now()
	require.NoError(t, p.Close(background()))
	require.Less(t, time.Since(begun), tableClose+2*closeStep+5*time.Second)
	require.ErrorIs(t, unix.Kill(-pid, 0), unix.ESRCH, "the process group of the worker that came to harm")
	require.Len(t, told.deaths(), len(deaths), "a death while the pool was closed")
}

type tableFuture struct {
	in tableIn
	Future[tableOut]
}

// alive are the workers that have said hello and may have tasks, without one.
func alive(p *Pool, but int) (pids []int) {
	for _, w := range p.Stats().Workers {
		if (w.State == StateIdle || w.State == StateRunning) && w.PID != but {
			pids = append(pids, w.PID)
		}
	}
	return pids
}

// tableEvents are the deaths that a pool tells of.
type tableEvents struct {
	mu  sync.Mutex
	all []*WorkerExitError
}

func (e *tableEvents) add(ev Event) {
	if ev.Kind == EventDeath {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.all = append(e.all, ev.Death)
	}
}

func (e *tableEvents) deaths() []*WorkerExitError {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]*WorkerExitError(nil), e.all...)
}

func (e *tableEvents) died() bool { return len(e.deaths()) > 0 }
