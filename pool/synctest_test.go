package pool

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/life"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/rangejob"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm/ring"
)

// A fakeProcess is a worker of goroutines that can be killed as a process can: it is
// dead at once, whatever its task does.
type fakeProcess struct {
	proc.Process
	link   proc.Link
	once   sync.Once
	gone   chan struct{}
	signal string
}

func (f *fakeProcess) Kill() {
	f.once.Do(func() { f.link.Close(); close(f.gone) })
}
func (f *fakeProcess) die(signal string)     { f.signal = signal; f.Kill() }
func (f *fakeProcess) Dead() <-chan struct{} { return f.gone }
func (f *fakeProcess) OOMKilled() bool       { return false }
func (f *fakeProcess) Peak() int64           { return 0 }
func (f *fakeProcess) Output() string        { return "" }
func (f *fakeProcess) Release()              {} // its goroutines may still run
func (f *fakeProcess) Exit() proc.Exit       { return proc.Exit{Code: -1, Signal: "killed"} }

// A fakeMachine starts fake processes, on the bubble's clock.
type fakeMachine struct {
	mu     sync.Mutex
	starts []time.Time
	live   []*fakeProcess
	fail   atomic.Bool          // to start
	born   func(f *fakeProcess) // hears of each
}

func (m *fakeMachine) launch(p *Pool, slot int) (proc.Process, proc.Link, *lane.Lane, wire.Hello, error) {
	m.mu.Lock()
	m.starts = append(m.starts, time.Now())
	m.mu.Unlock()
	if m.fail.Load() {
		return nil, nil, nil, wire.Hello{}, errors.New("no process today")
	}
	process, link, l, want, err := p.launch(slot)
	if err != nil {
		return nil, nil, nil, want, err
	}
	f := &fakeProcess{Process: process, link: link, gone: make(chan struct{})}
	m.mu.Lock()
	m.live = append(m.live, f)
	born := m.born
	m.mu.Unlock()
	if born != nil {
		born(f)
	}
	return f, link, l, want, nil
}

var fakeBlock struct {
	until   atomic.Pointer[chan struct{}]
	running atomic.Int32
	begun   atomic.Int32
}

// fakeTask blocks until the test lets it go, whatever happens to its worker.
var fakeTask = Func("test.fakeTask", func(_ *Task, block bool) (int, error) {
	if block {
		fakeBlock.running.Add(1)
		<-*fakeBlock.until.Load()
		fakeBlock.running.Add(-1)
	}
	return 1, nil
})

// letFakesGo ends the fake tasks that block, and not those that come.
func letFakesGo() {
	next := make(chan struct{})
	if now := fakeBlock.until.Swap(&next); now != nil {
		close(*now)
	}
}

// inBubble runs a test of the state machine on fake time.
func inBubble(t *testing.T, opts Options, test func(t *testing.T, p *Pool, m *fakeMachine)) {
	warm := newPool(t, &Options{Isolation: Goroutine, Workers: 1}) // what is measured once is measured on the real clock
	f, err := warm.submitFake(false)
	require.NoError(t, err)
	_, err = f.Wait(background())
	require.NoError(t, err)
	ring.WakeTime()
	require.NoError(t, warm.Close(background()))
	synctest.Test(t, func(t *testing.T) {
		next := make(chan struct{}) // of this bubble
		fakeBlock.until.Store(&next)
		m := &fakeMachine{}
		opts.Isolation = Goroutine
		p, err := start(background(), &opts, m.launch)
		require.NoError(t, err)
		time.Sleep(time.Second) // all workers are up
		test(t, p, m)
		letFakesGo()
		synctest.Wait()
		require.NoError(t, p.Close(background()))
	})
}

func (p *Pool) submitFake(block bool) (Future[int], error) {
	return fakeTask.Submit(background(), p, block)
}

// Workers that die without having finished anything are started again ever more
// slowly: fewer than ten a second, and at least one.
func TestFakeCrashLoop(t *testing.T) {
	inBubble(t, Options{Workers: 4}, func(t *testing.T, p *Pool, m *fakeMachine) {
		var dying atomic.Bool
		dying.Store(true)
		m.mu.Lock()
		m.born = func(f *fakeProcess) {
			if dying.Load() {
				time.AfterFunc(time.Millisecond, func() { f.die("killed") })
			}
		}
		for _, f := range m.live {
			f.die("killed")
		}
		m.mu.Unlock()
		time.Sleep(20 * time.Second) // until the pauses have grown
		m.mu.Lock()
		before := len(m.starts)
		m.mu.Unlock()
		time.Sleep(60 * time.Second)
		m.mu.Lock()
		n := len(m.starts) - before
		m.mu.Unlock()
		t.Logf("%d starts in a minute, %d before", n, before)
		require.LessOrEqual(t, n, 8*60+1)
		require.Greater(t, n, 60)
		require.LessOrEqual(t, before, 8*20+3*4)
		dying.Store(false)
		f, err := p.submitFake(false) // and it is not too late
		require.NoError(t, err)
		_, err = f.Wait(background())
		require.NoError(t, err)
	})
}

// What cannot be started five times in a row ends the pool, and tasks with the cause.
func TestFakeStartsFail(t *testing.T) {
	inBubble(t, Options{Workers: 2}, func(t *testing.T, p *Pool, m *fakeMachine) {
		m.fail.Store(true)
		began := time.Now()
		m.mu.Lock()
		for _, f := range m.live {
			f.die("killed")
		}
		before := len(m.starts)
		m.mu.Unlock()
		time.Sleep(time.Millisecond)
		f, err := p.submitFake(false)
		if err == nil {
			_, err = f.Wait(background())
		}
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorContains(t, err, "no process today")
		m.mu.Lock()
		defer m.mu.Unlock()
		require.LessOrEqual(t, len(m.starts)-before, life.MaxFailedStarts+1)
		require.Less(t, time.Since(began), time.Second)
	})
}

// A task that runs too long costs its worker, not before its time and not an eighth
// of it after, and is tried as often as any.
func TestFakeDeadline(t *testing.T) {
	inBubble(t, Options{Workers: 2, TaskTimeout: 10 * time.Second, Attempts: 2}, func(t *testing.T, p *Pool, m *fakeMachine) {
		began := time.Now()
		f, err := p.submitFake(true)
		require.NoError(t, err)
		_, err = f.Wait(background())
		var death *WorkerExitError
		require.ErrorAs(t, err, &death)
		require.Equal(t, ExitDeadline, death.Class)
		require.Equal(t, 2, death.Attempt)
		took := time.Since(began)
		require.GreaterOrEqual(t, took, 20*time.Second)
		require.LessOrEqual(t, took, 20*time.Second+2*2*p.opts.watchInterval()+time.Second)
		require.Equal(t, int64(2), settled(t, p).Deaths[ExitDeadline])
	})
}

type counted struct {
	N, Sum int64
	Order  uint64 // differs with the order of the merges
}

var count = ReduceFunc("test.count", func(_ *Task, base int, lo, hi int) (c counted, err error) {
	for i := lo; i < hi; i++ {
		c.N++
		c.Sum += int64(base + i)
	}
	c.Order = uint64(lo)*31 + uint64(hi)
	return c, nil
}, func(a, b counted) counted {
	return counted{a.N + b.N, a.Sum + b.Sum, a.Order*1099511628211 + b.Order}
})

func sumTo(n int64) int64 { return n * (n - 1) / 2 }

// fakeReduce counts indices; that of index 0 blocks for the first so many times.
var fakeReduce = ReduceFunc("test.fakeReduce", func(_ *Task, blocks int, lo, hi int) (counted, error) {
	if lo == 0 && fakeBlock.begun.Add(1) <= int32(blocks) {
		<-*fakeBlock.until.Load()
	}
	c := counted{Order: uint64(lo)*31 + uint64(hi)}
	for i := lo; i < hi; i++ {
		c.N++
		c.Sum += int64(i)
	}
	return c, nil
}, func(a, b counted) counted {
	return counted{a.N + b.N, a.Sum + b.Sum, a.Order*1099511628211 + b.Order}
})

// A block that has run too long is tried again as it is, so that a reduction is the
// same to the last bit, and in halves only if it does so again: then it is reported.
func TestFakeOverrunsInReduce(t *testing.T) {
	for _, attempts := range []int{1, 3} {
		inBubble(t, Options{Workers: 2, TaskTimeout: 10 * time.Second, Attempts: attempts}, func(t *testing.T, p *Pool, m *fakeMachine) {
			const n = 1000
			blocks := rangejob.Cut(n, 0, 2).Count
			var want counted
			for overruns, split := range []int{0, 0, 1} {
				fakeBlock.begun.Store(0)
				report := RangeReport{Blocks: -1, Split: -1}
				got, err := fakeReduce.Reduce(background(), p, overruns, n, &RangeOptions{Report: &report})
				require.NoError(t, err)
				require.Equal(t, RangeReport{Blocks: blocks, Split: split}, report)
				require.Equal(t, int64(overruns*(overruns+1)/2), settled(t, p).Deaths[ExitDeadline])
				switch overruns {
				case 0:
					want = got
				case 1:
					require.Equal(t, want, got)
				default:
					require.NotEqual(t, want.Order, got.Order, "it was cut elsewhere")
				}
				require.Equal(t, []int64{n, sumTo(n)}, []int64{got.N, got.Sum})
			}
		})
	}
}

// A cancelled task is asked first, and its worker killed after the grace.
func TestFakeCancelInTwoSteps(t *testing.T) {
	inBubble(t, Options{Workers: 1, Timeouts: Timeouts{Cancel: 4 * time.Second}}, func(t *testing.T, p *Pool, m *fakeMachine) {
		f, err := p.submitFake(true)
		require.NoError(t, err)
		time.Sleep(time.Minute) // it may take its time
		began := time.Now()
		f.Cancel()
		_, err = f.Wait(background())
		require.ErrorIs(t, err, ErrCancelled)
		require.GreaterOrEqual(t, time.Since(began), 4*time.Second)
		require.LessOrEqual(t, time.Since(began), 6*time.Second)
		require.Equal(t, int64(1), settled(t, p).Deaths[ExitCancel])
		require.Equal(t, int64(1), p.Stats().Cancelled)
	})
}

// Two kills that nobody here has sent look like a machine short of memory: half as
// many run, and one more every ten seconds up to the ceiling; later the ceiling is
// tried again. The task that was hit loses none of its attempts meanwhile.
func TestFakeStepDown(t *testing.T) {
	inBubble(t, Options{Workers: 8}, func(t *testing.T, p *Pool, m *fakeMachine) {
		var futures []Future[int]
		for range 8 {
			f, err := p.submitFake(true)
			require.NoError(t, err)
			futures = append(futures, f)
		}
		time.Sleep(time.Second)
		require.Equal(t, int32(8), fakeBlock.running.Load())
		kill := func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, f := range m.live {
				select {
				case <-f.gone:
				default:
					p.mu.Lock()
					busy := false
					for _, w := range p.sched.workers {
						busy = busy || w.proc == proc.Process(f) && w.runningLocked() != nil
					}
					p.mu.Unlock()
					if busy {
						f.die("killed")
						return
					}
				}
			}
		}
		kill()
		time.Sleep(time.Second)
		require.Equal(t, 8, p.Stats().Width) // one says nothing
		kill()
		time.Sleep(time.Second)
		s := p.Stats()
		require.Equal(t, []int{4, 8, 7}, []int{s.Width, s.Target, s.Memory.Ceiling})
		require.Equal(t, int64(1), s.Memory.Deaths)
		for want := 5; want <= 7; want++ {
			time.Sleep(life.ClimbAfter)
			require.Equal(t, want, p.Stats().Width)
		}
		time.Sleep(2 * life.ClimbAfter)
		require.Equal(t, 7, p.Stats().Width) // the ceiling
		time.Sleep(12 * life.ClimbAfter)
		require.Equal(t, 8, p.Stats().Width) // perhaps it was somebody else's memory
		letFakesGo()
		for _, f := range futures {
			_, err := f.Wait(background())
			require.NoError(t, err)
		}
	})
}
