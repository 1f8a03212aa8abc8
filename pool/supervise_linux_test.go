package pool

import (
	"bytes"
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

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
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
		unix.Sendmsg(proc.SocketFD, make([]byte, wire.MaxMessage+1), nil, nil, 0)
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
	p := newPool(t, &Options{Workers: 1, Replacement: Replacement{Spares: 1, KeepWidth: true}})
	x, err := shm.PutCopy(p.Arena(), []float64{1, 2})
	require.NoError(t, err)
	defer x.Release()
	first, err := norm.Submit(background(), p, normIn{x.View(), 1})
	require.NoError(t, err)
	_, err = first.Wait(background())
	require.NoError(t, err)
	for range 5 {
		eventually(t, func() bool { return p.Stats().Spares == 1 }, "no spare")
		var spare int
		for _, w := range allUp(t, p, 2) {
			if w.State == StateStandby {
				spare = w.PID
			}
		}
		p.mu.Lock()
		for _, w := range p.slots.all {
			require.True(t, !w.standby || w.knows[1], "it has what is needed mapped")
		}
		p.mu.Unlock()
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
	p := newPool(t, &Options{Workers: 4, Attempts: wire.MaxAttempts, Replacement: Replacement{KeepWidth: true}})
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
			if w := p.slots.all[random.IntN(len(p.slots.all))]; w.link != nil && !last[w.number] {
				last[w.number] = true
				w.proc.Kill()
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
	require.Equal(t, ExitProtocol, death.Class)
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

// Workers that have just died are no longer there when others are retired.
func TestResizeAfterDeaths(t *testing.T) {
	for range 10 {
		p := newPool(t, &Options{Workers: 6, Replacement: Replacement{KeepWidth: true}, Attempts: 10})
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

// A death that is told of is counted, and events come in their order.
func TestDeathThenRetry(t *testing.T) {
	var mu sync.Mutex
	var told []Event
	p := newPool(t, &Options{Workers: 2, Replacement: Replacement{KeepWidth: true}, OnEvent: func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == EventDeath || e.Kind == EventRetry {
			told = append(told, e)
		}
	}})
	x, err := shm.PutCopy(p.Arena(), []float64{42})
	require.NoError(t, err)
	defer x.Release()
	for n := range int64(20) {
		f, err := die.Submit(background(), p, dieIn{"sigkill", filepath.Join(t.TempDir(), "mark"), x.View()})
		require.NoError(t, err)
		_, err = f.Wait(background())
		require.NoError(t, err)
		require.Equal(t, n+1, settled(t, p).Deaths[ExitSignal])
	}
	eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(told) == 40 }, "not all was told")
	for i := 0; i < 40; i += 2 {
		require.Equal(t, []EventKind{EventDeath, EventRetry}, []EventKind{told[i].Kind, told[i+1].Kind})
		require.Equal(t, told[i].PID, told[i+1].PID)
		require.Contains(t, told[i+1].String(), "retry: test.die, attempt 2")
	}
}
